"""Prove that nothing after a cutoff has touched what was forecast up to it.

The ledger's prices are copied into scratch ledgers, on which the very stages of the daily job are
run up to the same cutoff: once with everything that came later, once with all of that cut away,
once with all of it replaced by garbage. Where there is a later past, its nights are worked first,
so that models, scores, trackers, gates and panels of the future lie about. All that is stored of
the nights up to the cutoff must be the same, to the last bit: the forecasts with all their parts,
the decisions with their evidence, and the models that were trained, rejected ones too.

Prices are copied as they are known now: a `replay` proves that what was learnt of them later is not
used either.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from forecaster.config import RetrainSettings, SeriesSettings
from forecaster.errors import DataError
from forecaster.job.account import Account
from forecaster.job.context import Job
from forecaster.job.due import Due, Plan, Turn
from forecaster.job.plan import usable
from forecaster.job.run import chosen, work_night
from forecaster.job.scratch import Future, scratch
from forecaster.job.walk import walk
from forecaster.ledger import Ledger, Night, Series
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import read_series
from forecaster.ledger.prices import read_sessions

BEFORE = 12
"""Nights up to the cutoff, so that there are outcomes to learn from."""
AFTER = 6
"""Sessions after the cutoff that are cut away or garbled."""

SAID_ON = {
    "forecast_parts": (
        "cutoff", {"forecast_id", "model_id", "panel_id", "actual_move", "eta"},
    ),
    "forecast_inputs": ("cutoff", {"forecast_id"}),
    "forecast_history": (
        "cutoff", {"forecast_id", "run_id", "issued_at", "model_id", "actual", "error", "abs_error",
                   "baseline_abs_error", "inside80", "inside95", "scored_at"},
    ),
    "decision_history": ("session", {"decision_id", "run_id", "model_id", "decided_at"}),
    "model_history": ("cutoff", {"model_id", "run_id", "created_at", "seconds", "in_use"}),
}  # fmt: skip
"""The views of what nights store: the column of the session, and those that cannot be the same:
ids, times, and what became of it later.
"""


@dataclass(frozen=True)
class Proof:
    """What came of one series' forecasts when the future was taken away.

    Attributes:
        series: whose forecasts these are.
        cutoff: the last of their sessions, as ISO text; "" where there is none.
        future: what was done to what came after it.
        numbers: how many facts were compared.
        differences: those that were not the same, as text.
        unproven: why there is nothing to compare; "" where there is.
    """

    series: str
    cutoff: str
    future: Future
    numbers: int = 0
    differences: tuple[str, ...] = ()
    unproven: str = ""


def prove_no_leak(job: Job, *, names: Sequence[str] = ()) -> list[Proof]:
    """Take the future away from each series' newest possible cutoff, and compare.

    Nothing is stored in the job's own ledger.

    Args:
        job: settings, ledger, plugins, clock.
        names: only these series; all others are there all the same, for the panel.

    Raises:
        ConfigError: there is no series of that name.
        DataError: there is nothing to compare of any series.
    """
    known = read_series(job.ledger)
    cutoffs: dict[date, list[SeriesSettings]] = defaultdict(list)
    found: list[Proof] = []
    for settings in chosen(job, names):
        series = known.get(settings.name)
        sessions = [] if series is None else _possible(job, settings, series)
        if len(sessions) > AFTER:
            cutoffs[sessions[-1 - AFTER]].append(settings)
        else:
            found.append(Proof(settings.name, "", "there", unproven="it has too few bars"))
    for done, (cutoff, wanted) in enumerate(sorted(cutoffs.items())):
        job.progress("proving", done, len(cutoffs))
        found += _prove(job, cutoff, wanted)
    job.progress("proving", len(cutoffs), len(cutoffs))
    if all(one.unproven for one in found):
        raise DataError(
            f"nothing can be proven of {found[0].series}: {found[0].unproven}",
            remedy="`forecaster run` pulls bars, and says what is wrong with them",
            code="unproven",
        )
    return found


def _possible(job: Job, settings: SeriesSettings, series: Series) -> list[date]:
    return usable(read_sessions(job.ledger, series.instrument.id), settings)


def _prove(job: Job, cutoff: date, wanted: Sequence[SeriesSettings]) -> list[Proof]:
    whole = _told(job, cutoff, wanted, "there")
    found = []
    for future in ("cut", "garbled"):
        other = _told(job, cutoff, wanted, future)
        found += [_compared(one.name, cutoff, future, whole, other) for one in wanted]
    return found


Rows = Mapping[str, tuple[dict[str, Any], ...]]
"""By view."""


@dataclass(frozen=True)
class Told:
    """What is stored of the nights up to a cutoff, and what went wrong, by series."""

    rows: Mapping[str, Rows]
    problems: Mapping[str, str]


def _compared(name: str, cutoff: date, future: Future, whole: Told, other: Told) -> Proof:
    numbers, differences = 0, []
    before, after = whole.rows[name], other.rows[name]
    if not any(row["cutoff"] == str(cutoff) for row in before["forecast_parts"]):
        why = whole.problems.get(name, "there is no forecast")
        return Proof(name, str(cutoff), future, unproven=why)
    for view, (when, _) in SAID_ON.items():
        if len(before[view]) != len(after[view]):
            counts = f"{len(before[view])} and {len(after[view])}"
            problem = other.problems.get(name)
            differences.append(f"{view}: {counts} rows" + (f" ({problem})" if problem else ""))
            continue
        for one, two in zip(before[view], after[view], strict=True):
            numbers += len(one)
            differences += [
                f"{view} of {one[when]}, {column}: {one[column]!r} and {two[column]!r}"
                for column in one
                if one[column] != two[column]
            ]
    return Proof(name, str(cutoff), future, numbers, tuple(differences))


def _told(job: Job, cutoff: date, wanted: Sequence[SeriesSettings], future: Future) -> Told:
    """Return what is stored of the nights up to a cutoff in a scratch ledger with such a future."""
    account = Account()
    with scratch(job, cutoff, future) as there:
        nights = _nights(there, wanted, cutoff)
        later = [due for due in nights if due.night.session > cutoff]
        before = [due for due in nights if due.night.session < cutoff]
        tonight = [due for due in nights if due.night.session == cutoff]
        walk(there, later[2:], Account(), work_night)
        # With a later night in it a walk has read later bars, as that of a backfill has.
        walk(there, [*before, *later[:1]], account, work_night)
        # Everything is trained anew from the cutoff, the panel too.
        again = there.settings.model_copy(update={"retrain": RetrainSettings(every="always")})
        walk(
            replace(there, settings=again), _retrained([*tonight, *later[1:2]]), account, work_night
        )
        rows = {one.name: _rows(there.ledger, one.name, cutoff) for one in wanted}
    return Told(rows, account.problems)


def _rows(ledger: Ledger, name: str, cutoff: date) -> Rows:
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for view, (when, unlike) in SAID_ON.items():
        rows = read_view(ledger, view, where={"series": name}).as_dicts()
        kept = [
            {key: row[key] for key in row if key not in unlike}
            for row in rows
            if row[when] <= str(cutoff)
        ]
        found[view] = tuple(sorted(kept, key=lambda row: (row[when], str(row))))
    return found


def _nights(job: Job, wanted: Sequence[SeriesSettings], cutoff: date) -> list[Due]:
    plan, known = Plan(), read_series(job.ledger)
    for settings in wanted:
        series = known[settings.name]
        sessions = _possible(job, settings, series)
        place = sessions.index(cutoff)
        for session in sessions[max(0, place + 1 - BEFORE) : place + 1 + AFTER]:
            plan.add(Night("backfill", series.instrument.calendar, session), Turn(settings, series))
    return plan.in_order()


def _retrained(nights: Sequence[Due]) -> list[Due]:
    return [
        replace(due, turns=tuple(replace(turn, forced="retrain") for turn in due.turns))
        for due in nights
    ]
