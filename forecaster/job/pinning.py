"""pinning: hold a series to one of its model versions, or let it go."""

from forecaster.config import SeriesSettings, Settings, near
from forecaster.errors import ConfigError
from forecaster.job.decide import require_same_settings
from forecaster.ledger import Ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import pin, read_series


def pin_model(settings: Settings, ledger: Ledger, name: str, model_id: int | None) -> None:
    """Hold a series to a version until that is undone with None.

    Raises:
        ConfigError: there is no such series or version, the version is not this series' own, was
            rejected, or was trained with settings that are not in force.
    """
    if model_id is not None:
        _require_usable(_configured(settings, name), ledger, model_id)
    if not pin(ledger, name, model_id):
        raise ConfigError(
            f"the ledger has no series {name!r}",
            remedy=near(name, list(read_series(ledger))) or "`forecaster run` puts it there",
            code="unknown_series",
        )


def _configured(settings: Settings, name: str) -> SeriesSettings:
    known = {one.name: one for one in settings.each_series()}
    if name not in known:
        raise ConfigError(
            f"no series {name!r} is configured", remedy=near(name, list(known)),
            code="unknown_series",
        )  # fmt: skip
    return known[name]


def _require_usable(series: SeriesSettings, ledger: Ledger, model_id: int) -> None:
    rows = read_view(ledger, "model_history", where={"model_id": model_id}).as_dicts()
    mine = {"series": series.name, "backtest_id": None, "status": "accepted"}
    # Whatever else it is, the ledger refuses it, and says why.
    if rows and mine.items() <= rows[0].items():
        require_same_settings(model_id, rows[0]["settings"], series)
