"""Plugins: the four hooks, what each kind promises, and the registry that finds them."""

from forecaster.hooks.contracts import (
    Executor,
    Quotes,
    Report,
    Reporter,
    RunSummary,
    SeriesReport,
    Source,
)
from forecaster.hooks.options import Options, read_options
from forecaster.hooks.problem import PluginProblem
from forecaster.hooks.registry import (
    Kind,
    LoadedPlugin,
    Places,
    Provided,
    Registry,
    build_registry,
)

__all__ = [
    "Executor",
    "Kind",
    "LoadedPlugin",
    "Options",
    "Places",
    "PluginProblem",
    "Provided",
    "Quotes",
    "Registry",
    "Report",
    "Reporter",
    "RunSummary",
    "SeriesReport",
    "Source",
    "build_registry",
    "read_options",
]
