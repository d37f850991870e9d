"""What the configuration names must exist: sources, activations, reporters, executors."""

from collections.abc import Callable

from forecaster.config import SeriesSettings, Settings
from forecaster.errors import ConfigError, PluginError
from forecaster.hooks import Registry


def require_plugins(registry: Registry, settings: Settings) -> None:
    """Refuse a configuration that names a plugin which nothing could provide.

    Raises:
        ConfigError: naming the first such plugin and who names it.
    """
    for one in settings.each_series():
        require_source(registry, one)
        require_activation(registry, one)
    for name in settings.reporters:
        _require(registry, registry.reporter, name, f"[reporters.{name}]")
    require_executor(registry, settings)


def require_executor(registry: Registry, settings: Settings) -> None:
    """Refuse an executor that no plugin, working or broken, could provide."""
    _require(registry, registry.executor, settings.executor.name, "[executor] name")


def require_source(registry: Registry, wanted: SeriesSettings) -> None:
    """Refuse a source that no plugin, working or broken, could provide."""
    _require(registry, registry.source, wanted.source, f"series {wanted.name}")


def require_activation(registry: Registry, wanted: SeriesSettings) -> None:
    """Refuse an activation that no plugin, working or broken, could provide."""
    _require(registry, registry.activation, wanted.model.activation, f"series {wanted.name}")


def _require(registry: Registry, resolve: Callable[[str], object], name: str, who: str) -> None:
    try:
        resolve(name)
    except PluginError as error:
        # The name may belong to a plugin that failed to load: what needs it fails, alone.
        if not registry.problems:
            raise ConfigError(
                f"{who}: {error.message}", remedy=error.remedy, code=error.code
            ) from error
