"""The activations that the program comes with; the functions are those of `forecaster.model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecaster import hookimpl

if TYPE_CHECKING:
    from forecaster.model import Activation


@hookimpl
def forecaster_activations() -> list[Activation]:
    """Provide tanh, relu, leaky_relu, sigmoid, softsign, elu, identity and gelu."""
    from forecaster.model import ACTIVATIONS  # noqa: PLC0415 - loads numpy

    return list(ACTIVATIONS.values())
