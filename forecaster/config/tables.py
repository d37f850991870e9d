"""The tables that a series may override: the network, when it is refitted, its intervals."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Table(BaseModel):
    """A table of the configuration: unknown keys are errors, types are not guessed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelSettings(Table):
    """The network and how it is trained."""

    inputs: Literal["returns", "window", "minmax"] = "returns"
    """What the network reads: log returns scaled by their volatility, prices scaled by their own
    lookback, or prices scaled to the range of the training rows."""

    lookback: int = Field(default=10, ge=1, le=2000)
    """Past steps that the network reads."""

    horizon: int = Field(default=5, ge=1, le=60)
    """Sessions ahead that are forecast, each from 1 to this."""

    hidden_size: int = Field(default=16, ge=1, le=4096)
    """Hidden units of the recurrent cell."""

    activation: str = Field(default="tanh", min_length=1)
    """The activation plugin of the hidden units."""

    loss_on: Literal["last", "all"] = "last"
    """Whether the last step alone is trained on, or every step."""

    optimizer: Literal["adam", "sgd"] = "adam"
    """How weights are moved along the gradient."""

    learning_rate: float = Field(default=1e-3, gt=0, le=10)
    """Step size of the optimizer."""

    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last step that the next one keeps; only sgd uses it."""

    batch_size: int = Field(default=64, ge=1)
    """Windows in one training step."""

    epochs: int = Field(default=30, ge=1)
    """Passes over the training windows, at most."""

    patience: int = Field(default=5, ge=1)
    """Epochs without a better validation loss before training stops."""

    validation: float = Field(default=0.25, ge=0, le=0.5)
    """Share of the newest training windows held back to stop early; 0 trains all epochs."""

    clip_norm: float = Field(default=1.0, ge=0)
    """Global norm that gradients are clipped to; 0 does not clip."""

    history: int = Field(default=2000, ge=10)
    """Bars before the cutoff that training may use."""

    decay: float = Field(default=0.94, gt=0, lt=1)
    """Decay of the volatility that scales the inputs."""

    dtype: Literal["float32", "float64"] = "float32"
    """Precision of training."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Seed of the initial weights and of the order of the windows."""

    @model_validator(mode="after")
    def _history_holds_a_window(self) -> Self:
        needed = self.lookback + self.horizon + 1
        if self.history < needed:
            raise ValueError(
                f"history = {self.history} holds no window: must be at least "
                f"lookback + horizon + 1 = {needed}"
            )
        return self


class RetrainSettings(Table):
    """When a network is refitted."""

    every: Annotated[int, Field(ge=1)] | Literal["always", "never"] = 63
    """Sessions until a model is refitted, or always, or never."""


class IntervalSettings(Table):
    """How the 80 % and 95 % intervals are made."""

    decay: float = Field(default=0.97, gt=0, lt=1)
    """Decay of the volatility that gives the spread."""

    eta: float = Field(default=0.02, gt=0, le=1)
    """Step of the tracker that keeps the coverage."""
