"""Which nights are due: for each series the sessions whose outcome is not stored yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from forecaster.config import SeriesSettings
from forecaster.errors import ConfigError
from forecaster.job.agenda import Agenda
from forecaster.job.due import Due, Plan, Turn
from forecaster.job.settle import Standing
from forecaster.ledger import Kind, Ledger, Night
from forecaster.ledger.knowledge import finished_nights, first_nights
from forecaster.ledger.prices import read_sessions
from forecaster.model import bars_needed


def plan_run(
    ledger: Ledger,
    standings: Sequence[Standing],
    agenda: Agenda,
    *,
    initial_backfill: int,
    as_of: date | None = None,
    forced: str | None = None,
) -> list[Due]:
    """Return what the daily job has to do.

    That is tonight, the sessions that were missed, and the initial backfill of new series.

    Args:
        ledger: what is stored already.
        standings: the series, those without bars or paused left out.
        agenda: what is open on the schedule.
        initial_backfill: past sessions that a new series is first walked over.
        as_of: do this session instead of today; a past one is a backfill.
        forced: "retrain" or "reuse" for tonight; "retrain" for the first night that is missing too.
    """
    plan = Plan(agenda)
    first = _first_nights(ledger, standings, agenda)
    for one in standings:
        tonight = _tonight(ledger, one, as_of)
        if one.series is None or tonight is None or one.today is None:
            continue
        newest = tonight == one.today
        turn = Turn(one.settings, one.series, forced=forced, problem=one.problem)
        if newest and not one.series.backfilled:
            for session in _warm_up(ledger, one, initial_backfill):
                plan.add(Night("backfill", one.calendar.name, session), replace(turn, forced=None))
            turn = replace(turn, completes_backfill=True)
        elif newest and not agenda.only_some and not one.series.instrument.historical:
            for night in _missed(agenda.runs, one, first.get(one.series.id, date.min)):
                plan.add(night, replace(turn, forced=None, problem=None))
        night = Night(_kind(one, tonight), one.calendar.name, tonight)
        if night not in agenda.waiting or not one.series.backfilled:
            plan.add(night, turn)
    nights = without_finished(ledger, plan.in_order())
    return _retraining_at_once(nights) if forced == "retrain" else nights


def _retraining_at_once(nights: Sequence[Due]) -> list[Due]:
    """Return the nights with a retraining on each series' first one too.

    Else the nights before tonight would be worked with the model that is not to be used any more.
    """
    begun: set[int] = set()
    found = []
    for due in nights:
        turns = tuple(
            turn if turn.series.id in begun else replace(turn, forced="retrain")
            for turn in due.turns
        )
        begun |= {turn.series.id for turn in due.turns}
        found.append(replace(due, turns=turns))
    return found


def plan_backfill(
    ledger: Ledger, standings: Sequence[Standing], agenda: Agenda, *, first: date, last: date
) -> list[Due]:
    """Return the nights of past sessions, from first to last, that are not stored yet."""
    plan = Plan(agenda)
    for one in standings:
        if one.series is None or one.today is None:
            continue
        for session in enough_bars(ledger, one):
            if first <= session <= last:
                night = Night(_kind(one, session), one.calendar.name, session)
                plan.add(night, Turn(one.settings, one.series))
    return without_finished(ledger, plan.in_order())


def without_finished(ledger: Ledger, nights: Sequence[Due]) -> list[Due]:
    """Return the nights with only the turns whose outcome is not stored yet."""
    if not nights:
        return []
    ids = sorted({turn.series.id for due in nights for turn in due.turns})
    finished = finished_nights(
        ledger, ids, since=nights[0].night.session, backtest_id=nights[0].night.backtest_id
    )

    def missing(due: Due) -> tuple[Turn, ...]:
        session = due.night.session
        return tuple(turn for turn in due.turns if (turn.series.id, session) not in finished)

    return [replace(due, turns=turns) for due in nights if (turns := missing(due))]


def enough_bars(ledger: Ledger, one: Standing) -> list[date]:
    """Return the stored sessions, ascending, with as many bars up to them as training needs."""
    if one.series is None:
        return []
    return usable(read_sessions(ledger, one.series.instrument.id), one.settings)


def usable(sessions: Sequence[date], settings: SeriesSettings) -> list[date]:
    """Return the sessions, ascending, with as many up to them as training needs bars."""
    return list(sessions[bars_needed(settings.model, settings.season) - 1 :])


def refuse_impossible(
    ledger: Ledger, standings: Sequence[Standing], first: date, last: date
) -> None:
    """Refuse a range of past sessions from which no series can be forecast.

    Raises:
        ConfigError: naming the range from which some can.
    """
    spans = [
        (possible[0], one.today)
        for one in standings
        if one.today and (possible := enough_bars(ledger, one))
    ]
    if not standings or any(begin <= last and first <= end for begin, end in spans):
        return
    asked = f"from {first} to {last}" if first < last else f"from {first}"
    needed = max(bars_needed(one.settings.model, one.settings.season) for one in standings)
    remedy = "pull more bars first"
    if spans:
        begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
        remedy = f"choose within {begin} to {end}"
    raise ConfigError(
        f"no series can be forecast {asked}: that takes {needed} settled bars up to there",
        remedy=remedy,
        code="no_such_session",
    )


def _kind(one: Standing, session: date) -> Kind:
    return "live" if session == one.today else "backfill"


def _warm_up(ledger: Ledger, one: Standing, count: int) -> list[date]:
    past = [session for session in enough_bars(ledger, one) if one.today and session < one.today]
    return past[-count:] if count else []


def _first_nights(
    ledger: Ledger, standings: Sequence[Standing], agenda: Agenda
) -> Mapping[int, date]:
    """Return with which session each series began: what is open from before it is others'."""
    late = any(night.kind == "backfill" for night in agenda.runs)
    ids = [one.series.id for one in standings if one.series]
    return first_nights(ledger, ids) if late else {}


def _missed(runs: Iterable[Night], one: Standing, first: date) -> list[Night]:
    """Return the sessions on the schedule, before today, that a newer one has overtaken.

    Those up to its first one are not the series' own.
    """
    late = (
        night for night in runs if night.kind == "backfill" and first < night.session != one.today
    )
    return [night for night in late if night.calendar == one.calendar.name]


def _tonight(ledger: Ledger, one: Standing, as_of: date | None) -> date | None:
    """Return the session to forecast from: today, or the newest one up to `as_of`, if any."""
    if as_of is None or one.today is None or as_of >= one.today:
        return one.today
    possible = enough_bars(ledger, one)
    if not possible or as_of < possible[0]:
        return None
    if len(one.calendar.sessions(as_of, as_of)):
        return as_of
    return one.calendar.before(as_of, 1)[-1]
