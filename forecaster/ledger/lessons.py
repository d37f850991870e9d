"""What outcomes teach: read for a night that comes late, for a replay, and for `db check`."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from forecaster.ledger.door import Ledger, of_backtest
from forecaster.ledger.records import Night
from forecaster.ledger.schema import forecast, score
from forecaster.ledger.states import Lesson

NAMES = tuple(one.name for one in fields(Lesson))

Address = tuple[int, int | None]
"""(series id, backtest id): whose states they teach."""

Taught = tuple[Lesson, float | None]
"""A lesson and the step with which the trackers learned from it, None for that of the night."""


def taught(
    ledger: Ledger, series_id: int, night: Night, *, known_by: datetime
) -> tuple[Taught, ...]:
    """Return what the trackers and gates behind a stored night's forecasts had learned from.

    Fresh states that are taught these, in this order, are those the night had after its own
    scores. An ordinary night had what was learned until then, each outcome with the step stored
    with it. On a night older than a stored outcome the states were made anew, with the night's own
    step, from all outcomes by its session: also those that came too late to be learned from.
    A state that another program had taught meanwhile is the one exception: that outcome says that
    nothing was learned from it, and the night's own forecasts were made as if it had been.

    Args:
        ledger: where from.
        series_id: whose.
        night: of the forecasts.
        known_by: when they were issued; the night's own scores are of that moment.
    """
    f, o = forecast.c, score.c
    mine = (f.series_id == series_id, of_backtest(f.backtest_id, night.backtest_id))
    later = (
        select(f.id)
        .join(score, o.forecast_id == f.id)
        .where(*mine, f.target_session > night.session, o.scored_at < known_by)
        .limit(1)
    )
    query = _lessons(o.eta).where(*mine, f.target_session <= night.session, o.scored_at <= known_by)
    with ledger.reading() as connection:
        late = connection.execute(later).first() is not None
        rows = connection.execute(query.order_by(f.cutoff, f.horizon)).fetchall()
    return tuple(
        (_lesson(row), None if late else row.eta) for row in rows if late or row.eta is not None
    )


def lessons_by_then(
    connection: Connection, series_ids: Sequence[int], night: Night
) -> dict[int, tuple[Lesson, ...]]:
    """Return the outcomes by this night, for series whose later outcomes are stored already."""
    f, o = forecast.c, score.c
    mine = of_backtest(f.backtest_id, night.backtest_id)
    later = (
        select(f.series_id)
        .distinct()
        .join(score, o.forecast_id == f.id)
        .where(f.series_id.in_(series_ids), f.target_session > night.session, mine)
    )
    found: dict[int, list[Lesson]] = {one: [] for one in connection.execute(later).scalars()}
    if not found:
        return {}
    rows = connection.execute(
        _lessons(f.series_id)
        .where(f.series_id.in_(list(found)), f.target_session <= night.session, mine)
        .order_by(f.cutoff, f.horizon)
    )
    for row in rows:
        found[row.series_id].append(_lesson(row))
    return {one: tuple(lessons) for one, lessons in found.items()}


def all_lessons(connection: Connection) -> Iterator[tuple[Address, list[tuple[Lesson, float]]]]:
    """Yield whose states have learned, and from what, in order, each with its step."""
    f, o = forecast.c, score.c
    rows = connection.execution_options(yield_per=10_000).execute(
        _lessons(f.series_id, f.backtest_id, o.eta)
        .where(o.eta.is_not(None))
        .order_by(f.series_id, func.coalesce(f.backtest_id, 0), f.cutoff, f.horizon)
    )
    for address, some in groupby(rows, lambda row: (row.series_id, row.backtest_id)):
        yield address, [(_lesson(row), row.eta) for row in some]


def _lessons(*others: ColumnElement[Any]) -> Select[Any]:
    columns = (forecast.c[name] if name in forecast.c else score.c[name] for name in NAMES)
    return select(*columns, *others).join_from(forecast, score)


def _lesson(row: Row[Any]) -> Lesson:
    return Lesson(**{name: getattr(row, name) for name in NAMES})
