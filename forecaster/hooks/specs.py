"""The hooks. Each returns values, is called one plugin at a time, and can fail alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pluggy import HookspecMarker

if TYPE_CHECKING:
    from forecaster.hooks.contracts import Executor, Reporter, Source
    from forecaster.model import Activation

hookspec = HookspecMarker("forecaster")


@hookspec
def forecaster_sources() -> list[type[Source]]:  # type: ignore[empty-body]
    """Return the classes that quote instruments."""


@hookspec
def forecaster_activations() -> list[Activation]:  # type: ignore[empty-body]
    """Return the functions that hidden units may have."""


@hookspec
def forecaster_reporters() -> list[type[Reporter]]:  # type: ignore[empty-body]
    """Return the classes that tell people what the ledger holds."""


@hookspec
def forecaster_executors() -> list[type[Executor]]:  # type: ignore[empty-body]
    """Return the classes that run the training of many series."""
