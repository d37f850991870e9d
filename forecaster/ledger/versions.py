"""Model versions: which of them a night uses, read with few statements for many series."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import Connection, func, or_, select, text

from forecaster.ledger.door import Ledger, of_backtest
from forecaster.ledger.lineage import ModelVersion
from forecaster.ledger.records import Kind, Night
from forecaster.ledger.schema import bar, forecast, model_version, series

COLUMNS = tuple(model_version.c[one.name] for one in fields(ModelVersion))


@dataclass(frozen=True)
class Usable:
    """What a series may use on a night.

    Attributes:
        model: the version in use.
        attempt: cutoff and fingerprint of the newest version, rejected ones included.
        pinned: the user holds the version in use.
        revised_bars: bars up to the night that were revised since the version was stored.
    """

    model: ModelVersion | None = None
    attempt: tuple[date, str] | None = None
    pinned: bool = False
    revised_bars: int = 0


def read_usable(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, Usable]:
    """Return what each series may use, those left out that have no version by the night."""
    chosen, attempts = _newest(connection, series_ids, night)
    pinned = _pinned(connection, series_ids, night)
    chosen |= pinned
    models = read_versions(connection, chosen.values())
    revised = _revised(connection, chosen.values(), night.session)
    return {
        one: Usable(
            models.get(chosen.get(one, 0)), attempt, one in pinned, revised.get(one, 0)
        )
        for one, attempt in attempts.items()
    }  # fmt: skip


def _newest(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> tuple[dict[int, int], dict[int, tuple[date, str]]]:
    """Return of each series the newest accepted version's id, and the newest of all."""
    m = model_version.c
    place = func.row_number().over(
        partition_by=(m.series_id, m.status), order_by=(m.cutoff.desc(), m.id.desc())
    )
    ranked = (
        select(m.series_id, m.id, m.cutoff, m.fingerprint, m.status, place.label("place"))
        .where(
            m.series_id.in_(series_ids),
            of_backtest(m.backtest_id, night.backtest_id),
            m.cutoff <= night.session,
        )
        .subquery()
    )
    accepted: dict[int, int] = {}
    found: dict[int, list[tuple[date, int, str]]] = defaultdict(list)
    for row in connection.execute(select(ranked).where(ranked.c.place == 1)):
        found[row.series_id].append((row.cutoff, row.id, row.fingerprint))
        if row.status == "accepted":
            accepted[row.series_id] = row.id
    attempts = {one: max(several) for one, several in found.items()}
    return accepted, {one: (cutoff, mark) for one, (cutoff, _, mark) in attempts.items()}


def _pinned(connection: Connection, series_ids: Sequence[int], night: Night) -> dict[int, int]:
    """Return the versions that the user holds; a backtest is free, and the past does not know."""
    if night.backtest_id is not None:
        return {}
    rows = connection.execute(
        select(series.c.id, model_version.c.id)
        .join(model_version, model_version.c.id == series.c.pinned_model_id)
        .where(series.c.id.in_(series_ids), model_version.c.cutoff <= night.session)
    )
    return {row[0]: row[1] for row in rows}


def read_versions(connection: Connection, ids: Collection[int]) -> dict[int, ModelVersion]:
    """Return model versions by their ids."""
    rows = connection.execute(select(*COLUMNS).where(model_version.c.id.in_(set(ids))))
    return {row.id: ModelVersion(*row) for row in rows}


def _revised(connection: Connection, ids: Iterable[int], upto: date) -> dict[int, int]:
    """Count, by series, the bars that were revised after these versions were stored."""
    m = model_version.c
    query = (
        select(m.series_id, func.count(func.distinct(bar.c.session)))
        .join(series, series.c.id == m.series_id)
        .join(bar, bar.c.instrument_id == series.c.instrument_id)
        .where(
            m.id.in_(set(ids)),
            text("bar.revision > 1"),  # in the words of the index, or it is not used
            bar.c.first_seen_at > m.created_at,
            bar.c.session <= upto,
        )
        .group_by(m.series_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def newest_panel(connection: Connection, night: Night) -> ModelVersion | None:
    """Return the newest version trained on all series before the night's session.

    One of that very session may know bars of a calendar that closes later in the day.
    """
    m = model_version.c
    row = connection.execute(
        select(*COLUMNS)
        .where(
            m.series_id.is_(None),
            of_backtest(m.backtest_id, night.backtest_id),
            m.cutoff < night.session,
            m.status == "accepted",
        )
        .order_by(m.cutoff.desc(), m.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else ModelVersion(*row)


@dataclass(frozen=True)
class Use:
    """The forecasts of one kind that a version has a part in."""

    kind: Kind
    forecasts: int
    first_cutoff: date
    last_cutoff: date


def read_uses(ledger: Ledger, model_id: int) -> list[Use]:
    """Return which forecasts a version, or a panel, has a part in."""
    f = forecast.c
    query = (
        select(f.kind, func.count(), func.min(f.cutoff), func.max(f.cutoff))
        .where(or_(f.model_id == model_id, f.panel_id == model_id))
        .group_by(f.kind)
        .order_by(f.kind)
    )
    with ledger.reading() as connection:
        return [Use(*row) for row in connection.execute(query)]
