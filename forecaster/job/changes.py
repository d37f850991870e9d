"""What a backtest is asked to cover, and to have otherwise than the configuration."""

from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from forecaster.config import ModelSettings, RetrainSettings, SeriesSettings
from forecaster.errors import ConfigError

Every = int | Literal["always", "never"]
"""Sessions until a network is refitted."""


@dataclass(frozen=True)
class Extent:
    """How much of each series a backtest covers."""

    cutoffs: int
    split: float | None


def refuse_contradictions(
    extent: Extent, cutoffs: int | None, split: float | None, every: Every | None
) -> None:
    """Refuse options that exclude each other.

    Raises:
        ConfigError: two of cutoffs, split and every are given that do not go together.
    """
    if cutoffs is not None and split is not None:
        raise ConfigError(
            "cutoffs and split exclude each other", remedy="give --cutoffs or --split, not both"
        )
    if every is not None and extent.split is not None:
        raise ConfigError(
            f"split {extent.split:g} trains once, and every {every} otherwise",
            remedy="give --every and --cutoffs, or --split",
        )


@dataclass(frozen=True)
class Changes:
    """What a backtest has otherwise than the configuration, where it is not None."""

    horizon: int | None
    history: int | None
    every: Every | None

    def applied(self, one: SeriesSettings) -> SeriesSettings:
        """Return the settings of a series with the changes made.

        Raises:
            ConfigError: they do not go with the rest.
        """
        asked = {"horizon": self.horizon, "history": self.history}
        changed = {name: value for name, value in asked.items() if value is not None}
        try:
            model = ModelSettings.model_validate({**one.model.model_dump(), **changed})
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            what = " with ".join(f"{name} {value}" for name, value in changed.items())
            raise ConfigError(
                f"{what} does not go with series {one.name}: {reason}",
                remedy="choose a shorter horizon, or more history",
            ) from error
        retrain = one.retrain if self.every is None else RetrainSettings(every=self.every)
        return one.model_copy(update={"model": model, "retrain": retrain})
