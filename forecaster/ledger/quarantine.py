"""What is held: said by a source and not believed, until it is confirmed, corrected or accepted."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, insert, select, update

from forecaster.errors import DataError
from forecaster.ledger.door import Ledger, parts
from forecaster.ledger.schema import LARGEST, action, alert, bar, instrument, quarantine
from forecaster.market import FIELDS, NOISE, Alert, Bars
from forecaster.market import Held as Said

if TYPE_CHECKING:
    from forecaster.ledger.quotes import Answer

TRUSTED = "trusted"
"""The mark of an instrument whose next answer is believed as it is."""
IMPOSSIBLE = ("not_finite", "too_large", "negative_volume")
"""Reasons for which no acceptance makes a bar of it."""
VALUES = (*FIELDS, "split", "dividend")
Bar = tuple[date | None, tuple[float | None, ...]]
"""A session, and the fields that were said of it."""
Key = tuple[date | None, str]
"""(session, what) of something held: of each there is one at most."""


@dataclass(frozen=True)
class Held:
    """Something held of an instrument."""

    id: int
    instrument_id: int
    session: date | None
    what: str
    reason_code: str
    reason: str
    values: dict[str, float | None]


def read_held(ledger: Ledger, instrument_ids: Sequence[int] | None = None) -> dict[int, list[Held]]:
    """Return what is held, by instrument: of all, or of those given."""
    with ledger.reading() as connection:
        return _read_held(connection, instrument_ids)


def _read_held(
    connection: Connection, instrument_ids: Sequence[int] | None
) -> dict[int, list[Held]]:
    q = quarantine.c
    query = select(quarantine).where(q.resolved_at.is_(None)).order_by(q.session, q.id)
    queries = (
        [query]
        if instrument_ids is None
        else [query.where(q.instrument_id.in_(part)) for part in parts(instrument_ids)]
    )
    found: dict[int, list[Held]] = defaultdict(list)
    for each in queries:
        for row in connection.execute(each):
            found[row.instrument_id].append(_held(row))
    return dict(found)


def _held(row: Row[Any]) -> Held:
    values = {name: getattr(row, name) for name in VALUES}
    return Held(
        row.id, row.instrument_id, row.session, row.what, row.reason_code, row.reason, values
    )


def keep_apart(
    connection: Connection, ids: Sequence[int], answers: Sequence["Answer"], now: datetime
) -> list[tuple[Said, ...]]:
    """Store what the answers' instruments hold now, and settle what they hold no longer.

    Returns:
        For each answer what is held from now on.
    """
    before = _read_held(connection, ids)
    return [
        _keep_apart(connection, id_, one, before.get(id_, []), now)
        for id_, one in zip(ids, answers, strict=True)
    ]


def _keep_apart(
    connection: Connection,
    instrument_id: int,
    answer: "Answer",
    held_before: Sequence[Held],
    now: datetime,
) -> tuple[Said, ...]:
    before: dict[Key, Held] = {(one.session, one.what): one for one in held_before}
    held: dict[Key, Said] = {(one.session, one.what): one for one in answer.held}
    for key, one in held.items():
        row = {
            "reason_code": one.code, "reason": one.reason, "last_seen_at": now,
            **dict.fromkeys(VALUES), **_storable(one),
        }  # fmt: skip
        if key in before:
            _change(connection, before[key].id, row)
        else:
            row |= {"instrument_id": instrument_id, "session": one.session, "what": one.what}
            connection.execute(insert(quarantine).values(**row, first_seen_at=now))
    for key, old in before.items():
        if key not in held and _judged(old, answer):
            how = "confirmed" if _came_true(old, answer) else "corrected"
            _change(connection, old.id, {"resolved_at": now, "resolution": how})
    return tuple(one for key, one in held.items() if key not in before)


def _storable(one: Said) -> dict[str, float]:
    return {name: value for name, value in one.values.items() if abs(value) <= LARGEST}


def bar_said(one: Said) -> Bar:
    """Return a held bar as `read_accepted` tells of it."""
    values = _storable(one)
    return one.session, tuple(values.get(name) for name in FIELDS)


def read_accepted(connection: Connection, ids: Sequence[int]) -> dict[int, frozenset[Bar]]:
    """Return for each instrument the bars that were held until somebody accepted them."""
    q = quarantine.c
    query = select(q.instrument_id, q.session, *(q[name] for name in FIELDS)).where(
        q.what == "bar", q.resolution == "accepted"
    )
    found: dict[int, set[Bar]] = defaultdict(set)
    for part in parts(ids):
        for id_, session, *values in connection.execute(query.where(q.instrument_id.in_(part))):
            found[id_].add((session, tuple(values)))
    return {id_: frozenset(bars) for id_, bars in found.items()}


def _change(connection: Connection, held_id: int, values: dict[str, Any]) -> None:
    connection.execute(update(quarantine).where(quarantine.c.id == held_id).values(values))


def _judged(old: Held, answer: "Answer") -> bool:
    """Return whether an answer says something about what is held."""
    if answer.judged is None or any(one.what == "answer" for one in answer.held):
        return False
    return old.session is None or old.session >= answer.judged


def _came_true(old: Held, answer: "Answer") -> bool:
    if old.what == "action":
        acted = answer.actions
        rows = zip(acted.sessions.tolist(), acted.splits, acted.dividends, strict=True)
        return (old.session, old.values["split"], old.values["dividend"]) in rows
    close = _close_on(answer.bars, old.session)
    said = old.values["close"]
    return close is not None and said is not None and abs(close - said) <= NOISE * abs(said)


def _close_on(bars: Bars, session: date | None) -> float | None:
    rows = (bars.sessions == session).nonzero()[0] if session else []
    return float(bars.close[rows[0]]) if len(rows) else None


def raise_alerts(
    connection: Connection, ids: Sequence[int], answers: Sequence["Answer"], now: datetime
) -> list[tuple[Alert, ...]]:
    """Store alerts, each once; return for each answer those that were not there."""
    fresh = []
    for id_, one in zip(ids, answers, strict=True):
        told = dict.fromkeys(one.alerts)
        new = tuple(each for each in told if not _raised(connection, id_, each))
        rows = [{**vars(each), "instrument_id": id_, "raised_at": now} for each in new]
        if rows:
            connection.execute(insert(alert), rows)
        fresh.append(new)
    return fresh


def _raised(connection: Connection, instrument_id: int, one: Alert) -> bool:
    a = alert.c
    query = select(a.id).where(
        a.instrument_id == instrument_id, a.session == one.session, a.code == one.code,
        a.message == one.message,
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def accept(
    ledger: Ledger, instrument_id: int, *, session: date | None = None, now: datetime
) -> list[Held]:
    """Believe what is held of an instrument, all or that of one session, and return it.

    Bars and actions are stored as they were said. After a whole answer the next one is believed,
    from the first session to the last.

    Raises:
        DataError: one of them cannot be stored, because it has no finite close, or is no split or
            dividend; nothing is then.
    """
    with ledger.writing() as connection:
        held = _read_held(connection, [instrument_id]).get(instrument_id, [])
        wanted = [one for one in held if session is None or one.session == session]
        for one in wanted:
            _believe(connection, one, now)
            _change(connection, one.id, {"resolved_at": now, "resolution": "accepted"})
        if wanted:
            trusted = TRUSTED if any(one.what == "answer" for one in wanted) else None
            connection.execute(
                update(instrument).where(instrument.c.id == instrument_id).values(answer=trusted)
            )
    return wanted


def _believe(connection: Connection, one: Held, now: datetime) -> None:
    row: dict[str, Any] = {
        "instrument_id": one.instrument_id,
        "session": one.session,
        "first_seen_at": now,
    }
    if one.what == "bar":
        if one.values["close"] is None or one.reason_code in IMPOSSIBLE:
            remedy = "import a right one: forecaster bars import FILE --series NAME"
            raise _refused(one, remedy, "not_finite")
        row |= {name: one.values[name] for name in FIELDS}
        _add_revision(connection, bar, row)
    elif one.what == "action":
        split, dividend = one.values["split"], one.values["dividend"]
        remedy = "wait for the source to correct it, or accept the others with --session"
        if split is None or split <= 0:
            raise _refused(one, remedy, "split")
        if dividend is None or dividend < 0:
            raise _refused(one, remedy, "dividend")
        row |= {"split": split, "dividend": dividend, "origin": "told"}
        _add_revision(connection, action, row)


def _refused(one: Held, remedy: str, code: str) -> DataError:
    message = f"the {one.what} of {one.session} cannot be accepted: {one.reason}"
    return DataError(message, remedy=remedy, code=code)


def _add_revision(connection: Connection, table: Any, row: dict[str, Any]) -> None:
    t = table.c
    query = select(t.revision).where(
        t.instrument_id == row["instrument_id"], t.session == row["session"]
    )
    newest = connection.execute(query.order_by(t.revision.desc()).limit(1)).scalar()
    connection.execute(insert(table).values(**row, revision=(newest or 0) + 1))
