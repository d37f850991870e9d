"""The network: cell, activations, losses, optimisers, inputs, fitting, volatility scale, tracker.

Pure NumPy: no clock, no file, no database, no logging; randomness is an argument.
"""

from typing import TYPE_CHECKING, Any

from forecaster.model.activations import ACTIVATIONS, Activation, get_activation
from forecaster.model.artefact import digest, network_from_bytes, network_to_bytes
from forecaster.model.cell import backward, forward, init_params, loss_and_gradients
from forecaster.model.extras import Beside, fields_of
from forecaster.model.lesson import bars_needed
from forecaster.model.losses import Huber, Loss, Pinball, Squared
from forecaster.model.motion import Motion
from forecaster.model.network import Network, TrainingSummary
from forecaster.model.recursive import roll_out
from forecaster.model.scale import ewma_scale, floored_scale
from forecaster.model.tracker import next_quantile, start_quantile
from forecaster.model.training import train_network, validation_loss

if TYPE_CHECKING:
    from forecaster.model.regressor import RNNRegressor

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Beside",
    "Huber",
    "Loss",
    "Motion",
    "Network",
    "Pinball",
    "RNNRegressor",
    "Squared",
    "TrainingSummary",
    "backward",
    "bars_needed",
    "digest",
    "ewma_scale",
    "fields_of",
    "floored_scale",
    "forward",
    "get_activation",
    "init_params",
    "loss_and_gradients",
    "network_from_bytes",
    "network_to_bytes",
    "next_quantile",
    "roll_out",
    "start_quantile",
    "train_network",
    "validation_loss",
]


def __getattr__(name: str) -> Any:
    """Import RNNRegressor when it is asked for: scikit-learn takes a second to import."""
    if name == "RNNRegressor":
        from forecaster.model.regressor import RNNRegressor  # noqa: PLC0415 - late on purpose

        return RNNRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
