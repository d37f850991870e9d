"""The tables that a series may override: the network, when it is refitted, its intervals."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ExtraInput = Literal[
    "averages", "open", "high", "low", "close", "volume", "abs_return", "range", "volatility",
    "weekday",
]  # fmt: skip


MOST_GIGABYTES = 4
"""Memory that the training of one network may take."""


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

    extra_inputs: list[ExtraInput] | None = None
    """What the network reads beside the series itself: averages (the distances to three slow ones),
    moves of a field (open, high, low, close, volume), abs_return, range, volatility, weekday. By
    default averages with inputs = "returns" and multi_step = "direct", and otherwise nothing."""

    lookback: int = Field(default=10, ge=1, le=2000)
    """Past steps that the network reads."""

    horizon: int = Field(default=5, ge=1, le=60)
    """Sessions ahead that are forecast, each from 1 to this."""

    multi_step: Literal["direct", "recursive"] = "direct"
    """How several sessions ahead are forecast: one output for each, or one output that is fed back
    as the next input."""

    hidden_size: int = Field(default=16, ge=1, le=4096)
    """Hidden units of the recurrent cell."""

    members: int = Field(default=3, ge=1, le=50)
    """Networks that are trained from different first weights, and averaged."""

    gate: bool = True
    """Whether the forecast stays on the baseline until its outcomes are evidence that the network
    knows better."""

    activation: str = Field(default="tanh", min_length=1)
    """The activation plugin of the hidden units."""

    loss_on: Literal["last", "all"] = "last"
    """Whether the last step alone is trained on, or every step."""

    loss: Literal["squared", "huber", "pinball"] = "squared"
    """What an error costs: its square; its square up to huber_delta and linear beyond; or pinball,
    which makes the network say the 10 %, 50 % and 90 % quantiles: the median is the forecast, the
    others are its spread."""

    huber_delta: float = Field(default=1.0, gt=0)
    """Where the huber loss becomes linear, in the units of the targets."""

    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    """How weights are moved along the gradient."""

    learning_rate: float = Field(default=2e-3, gt=0, le=10)
    """Step size of the optimizer."""

    schedule: Literal["constant", "cosine"] = "cosine"
    """Whether the learning rate stays, or falls towards 0 over the epochs."""

    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last step that the next one keeps; only sgd uses it."""

    batch_size: int = Field(default=64, ge=1)
    """Windows in one training step."""

    epochs: int = Field(default=12, ge=1)
    """Passes over the training windows, at most."""

    patience: int = Field(default=5, ge=1)
    """Epochs without a better validation loss before training stops."""

    validation: float = Field(default=0.15, ge=0, le=0.5)
    """Share of the newest training windows held back to stop early; 0 trains all epochs."""

    clip_norm: float = Field(default=1.0, ge=0)
    """Global norm that gradients are clipped to; 0 does not clip."""

    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    """Share of each parameter that learning rate 1 would take off in a step; 0 does not."""

    history: int = Field(default=2000, ge=10)
    """Bars before the cutoff that training may use."""

    decay: float = Field(default=0.94, gt=0, lt=1)
    """Decay of the volatility that scales the inputs."""

    dtype: Literal["float32", "float64"] = "float32"
    """Precision of training."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Seed of the initial weights and of the order of the windows."""

    @property
    def targets(self) -> int:
        """Sessions ahead that a training window teaches."""
        return self.horizon if self.multi_step == "direct" else 1

    @property
    def extras(self) -> tuple[ExtraInput, ...]:
        """What the network reads beside the series itself."""
        if self.extra_inputs is not None:
            return tuple(self.extra_inputs)
        by_default = self.inputs == "returns" and self.multi_step == "direct"
        return ("averages",) if by_default else ()

    @model_validator(mode="after")
    def _inputs_and_outputs_go_together(self) -> Self:
        if len(set(self.extras)) < len(self.extras):
            raise ValueError(f"extra_inputs = {self.extra_inputs}: must name each only once")
        if self.multi_step == "recursive" and self.extras:
            raise ValueError(
                "multi_step = 'recursive' knows the next value of no extra input: must be "
                "'direct', or extra_inputs empty"
            )
        if self.loss == "pinball" and (self.multi_step, self.inputs) != ("direct", "returns"):
            raise ValueError(
                "loss = 'pinball' has three outputs in units of volatility: must go with "
                "multi_step = 'direct' and inputs = 'returns'"
            )
        return self

    @model_validator(mode="after")
    def _history_holds_a_window(self) -> Self:
        needed = self.lookback + self.targets + 1
        if self.history < needed:
            targets = "horizon" if self.multi_step == "direct" else "1"
            raise ValueError(
                f"history = {self.history} holds no window: must be at least "
                f"lookback + {targets} + 1 = {needed}"
            )
        return self

    @model_validator(mode="after")
    def _training_is_possible(self) -> Self:
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError(
                f"learning_rate * weight_decay = {self.learning_rate * self.weight_decay:g} takes "
                "more off a parameter than it has: must be under 1"
            )
        # What a step of training keeps for each step of the lookback: products of the weights'
        # size, and states, slopes and derivatives of the batch.
        batch = min(self.batch_size, self.history)
        numbers = self.lookback * self.hidden_size * (self.hidden_size + 4 * batch)
        gigabytes = numbers * (4 if self.dtype == "float32" else 8) / 1e9
        if gigabytes > MOST_GIGABYTES:
            raise ValueError(
                f"lookback = {self.lookback} with hidden_size = {self.hidden_size} and batch_size "
                f"= {self.batch_size} takes about {gigabytes:.0f} GB to train: must be at most "
                f"{MOST_GIGABYTES}"
            )
        return self


class RetrainSettings(Table):
    """When a network is refitted."""

    every: Annotated[int, Field(ge=1)] | Literal["always", "never"] = 63
    """Sessions until a model is refitted, or always, or never."""


class IntervalSettings(Table):
    """How the 80 % and 95 % intervals are made."""

    scale: Literal["linear", "panel", "ewma"] = "linear"
    """What says how wide: linear, fitted for the series on its volatilities and ranges; panel, that
    together with one network trained on all series; or ewma, the volatility alone, which is also
    used where the others cannot be, or have been worse."""

    decay: float = Field(default=0.97, gt=0, lt=1)
    """Decay of the volatility of scale = "ewma"."""

    eta: float = Field(default=0.02, gt=0, le=1)
    """Step of the tracker that keeps the coverage."""
