"""Which rivals there are, and what each takes."""

from collections.abc import Sequence
from importlib import import_module
from typing import get_args

from forecaster.config import RivalName
from forecaster.errors import ConfigError
from forecaster.job.rivals.library import Automatic, Garch
from forecaster.job.rivals.simple import Simple
from forecaster.job.rivals.telling import Rival
from forecaster.model import Motion

NAIVE = "naive"
NAMES: tuple[str, ...] = get_args(RivalName)
LIBRARY = frozenset({"AutoETS", "AutoTheta", "AutoARIMA", "GARCH"})


def require_rivals(names: Sequence[str]) -> tuple[str, ...]:
    """Return the rivals to hold a backtest against, the naive one first, each once.

    Raises:
        ConfigError: the library of one is not installed (code "no_companion").
    """
    wanted = tuple(dict.fromkeys((NAIVE, *names)))
    theirs = [name for name in wanted if name in LIBRARY]
    if theirs:
        try:
            import_module("statsforecast")
        except ImportError as error:
            raise ConfigError(
                f"a backtest against {theirs[0]} needs statsforecast, which is not installed",
                remedy="pip install 'forecaster[bench]'",
                code="no_companion",
            ) from error
    return wanted


def rival(name: str, motion: Motion, horizon: int, week: int) -> Rival:
    """Return a rival for a series that moves so; the season of one that has none is a week."""
    if name == NAIVE:
        return Simple(Motion(motion.kind), horizon)
    if name == "seasonal":
        return Simple(Motion(motion.kind, motion.season or week), horizon)
    if name == "drift":
        return Simple(Motion(motion.kind), horizon, drift=True)
    if name == "GARCH":
        return Garch(motion, horizon)
    return Automatic(name, motion, horizon)
