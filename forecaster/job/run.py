"""The daily job.

    pull -> settle -> score -> decide -> train -> forecast -> calibrate -> commit -> report

`run` is that line for everything that is due: prices are pulled and settled once, each due night
goes through the stages from score to commit, and the reporters tell of it at the end.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date

from forecaster.config import SeriesSettings, near
from forecaster.errors import ConfigError, ForecasterError
from forecaster.hooks import Executor, RunSummary
from forecaster.job.account import Account
from forecaster.job.agenda import Agenda
from forecaster.job.calibrate import calibrate
from forecaster.job.context import Job
from forecaster.job.decide import decide
from forecaster.job.due import Due, Turn
from forecaster.job.fallback import fallen_back
from forecaster.job.forecast import forecast
from forecaster.job.foreign import foreseen
from forecaster.job.named import require_companions, require_for_series
from forecaster.job.plan import plan_run, refuse_impossible
from forecaster.job.prices import Prices
from forecaster.job.pull import pull
from forecaster.job.schedule import on_calendars
from forecaster.job.score import score
from forecaster.job.settle import Standing, settle
from forecaster.job.train import train
from forecaster.job.walk import walk
from forecaster.job.work import Item, Work, carried_problem, each, failed, timed, waits
from forecaster.ledger import Knowledge, Night
from forecaster.ledger.knowledge import read_knowledge
from forecaster.ledger.nights import commit
from forecaster.logs import LOG, about, stage
from forecaster.market import Calendar

CHUNK = 64
"""Series stored in one transaction."""


def run(
    job: Job,
    *,
    names: Sequence[str] = (),
    calendars: Collection[str] | None = None,
    as_of: date | None = None,
    forced: str | None = None,
    wait: bool = True,
) -> RunSummary:
    """Do what is missing: tonight, what was missed, and the initial backfill of new series.

    Args:
        job: settings, ledger, plugins, clock.
        names: only these series.
        calendars: only series of these calendars, and such as never had a bar.
        as_of: do this session instead of today's; a past one is stored as a backfill.
        forced: "retrain" or "reuse" instead of the program's own decision.
        wait: until another process that works on this ledger is done.

    Raises:
        ConfigError: there is no series, or not that one, or its source or activation is unknown, or
            no series can be forecast as of that session.
        LedgerError: another process works on this ledger (code "busy"), without `wait`.
    """
    wanted = chosen(job, names, calendars)
    with job.alone("run", wait=wait):
        account = Account()
        standings = prepare(job, wanted, account)
        if as_of is not None:
            refuse_impossible(job.ledger, standings, as_of, as_of)
        only_some = bool(names or as_of)
        with Agenda.of_job(job, standings, only_some=only_some, calendars=calendars) as agenda:
            nights = plan_run(
                job.ledger,
                standings,
                agenda,
                initial_backfill=job.settings.schedule.initial_backfill,
                as_of=as_of,
                forced=forced,
            )
            agenda.begin(nights)
            walk(job, nights, account, work_night)
    kind = "live" if as_of is None or not nights else nights[-1].night.kind
    return account.summary(kind, standings)


def chosen(
    job: Job, names: Sequence[str], calendars: Collection[str] | None = None
) -> list[SeriesSettings]:
    """Return the configured series, or those of the given names or calendars."""
    known = {one.name: one for one in job.settings.each_series()}
    if not known:
        raise ConfigError(
            "no series is configured", remedy="add one: forecaster series add NAME --source S"
            " --symbol SYM", code="no_series",
        )  # fmt: skip
    for name in names:
        if name not in known:
            hint = near(name, known)
            raise ConfigError(
                f"there is no series {name!r}",
                remedy=hint or "`forecaster series list` shows them",
                code="unknown_series",
            )
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    return on_calendars(job.ledger, known.values(), calendars)


def prepare(job: Job, wanted: Sequence[SeriesSettings], account: Account) -> list[Standing]:
    """Pull and settle; return the series that can be worked on, noting those that cannot."""
    require_companions(job.registry, job.settings)
    job.calendars.check()
    for series in wanted:
        require_for_series(job.registry, series)
    account.series = len(wanted)
    with stage("settle"):  # an answer is stored as it comes, before the next one is asked for
        standings = settle(job, wanted, pull(job, wanted))
    ready = []
    for one in standings:
        account.pulled(one)
        if one.series is not None and not one.series.paused:
            ready.append(one)
    return ready


def work_night(job: Job, due: Due, prices: Prices, executor: Executor, account: Account) -> None:
    """Take one night through the stages, from score to commit."""
    with about(run=f"{due.night.calendar} {due.night.session}"):
        chunks = list(_chunks(due.turns))
        for chunk in chunks:
            start, stamp = time.perf_counter(), job.stamp()  # what comes later was not known
            turns = [_still_completing(turn, account) for turn in chunk]
            items = begin(job, due.night, turns, prices)
            items = each(score, items)
            items = each(decide, items)
            items = train(items, executor, job)
            items = each(timed(forecast), items)
            items = each(timed(calibrate), items)
            commit(
                job.ledger,
                due.night,
                [item.result() for item in items],
                stamp,
                seconds=time.perf_counter() - start,
                last=chunk is chunks[-1],
                of=due.of,
                retry_at=due.retry_at,
            )
            account.worked(due.night, items)
        LOG.info("night done", extra={"event": "night", "kind": due.night.kind})


def _still_completing(turn: Turn, account: Account) -> Turn:
    """Return a turn that leaves the initial backfill open where one of its nights went wrong."""
    open_ = turn.settings.name in account.problems
    return replace(turn, completes_backfill=turn.completes_backfill and not open_)


def _chunks(turns: Sequence[Turn]) -> Iterator[Sequence[Turn]]:
    """Yield the series that are stored together.

    Where an attempt has ended its process, those that call foreign code come last, each for itself.
    """
    risky = [turn for turn in turns if turn.died and turn.is_risky]
    others = [turn for turn in turns if turn not in risky] if risky else turns
    yield from (others[start : start + CHUNK] for start in range(0, len(others), CHUNK))
    yield from ([turn] for turn in risky)


def begin(job: Job, night: Night, turns: Sequence[Turn], prices: Prices) -> list[Item]:
    """Return what each series knows when the night begins."""
    knowledge = read_knowledge(job.ledger, [turn.series.id for turn in turns], night)
    calendar = job.calendars.get(night.calendar)
    prices.read_ahead(
        night.session,
        [
            (turn.settings, turn.series.instrument, awaited(knowledge[turn.series.id], calendar))
            for turn in turns
        ],
    )
    return [_begin_one(job, night, turn, knowledge[turn.series.id], prices) for turn in turns]


def awaited(knowledge: Knowledge, calendar: Calendar) -> list[date]:
    """Return the sessions whose outcomes are not stored yet.

    One that was none after all, because the exchange was closed, is not waited for.
    """
    targets = sorted({said.target_session for said in knowledge.pending})
    return calendar.sessions(targets[0], targets[-1]).tolist() if targets else []


def _begin_one(job: Job, night: Night, turn: Turn, knowledge: Knowledge, prices: Prices) -> Item:
    if turn.resigns:
        why = ForecasterError(
            f"its process did not live through the attempts before: {turn.died}",
            remedy="see the log of that time",
            code="died",
        )
    else:
        try:
            return _known(job, night, turn, knowledge, prices)
        except Exception as error:  # noqa: BLE001  one series must not stop the others
            why = _cause(foreseen(error), turn, night)
    if turn.resigns or (turn.last_try and waits(why)):
        try:
            return replace(_known(job, night, fallen_back(turn), knowledge, prices), problem=why)
        except ForecasterError as error:
            LOG.debug("there is no fallback: %s", error, extra={"series": turn.settings.name})
    return failed(turn, why)


def _known(job: Job, night: Night, turn: Turn, knowledge: Knowledge, prices: Prices) -> Work:
    """Return what a series knows.

    Raises:
        ForecasterError: it does not know enough to be forecast.
    """
    calendar = job.calendars.get(night.calendar)
    past = prices.past(
        turn.settings,
        turn.series.instrument,
        night.session,
        then=night.kind == "backfill",
        awaited=awaited(knowledge, calendar),
    )
    return Work(
        turn=turn,
        night=night,
        calendar=calendar,
        past=past,
        problem=carried_problem(past, turn) or (turn.problem if night.kind == "live" else None),
        activation=job.registry.activation(turn.settings.model.activation),
        knowledge=knowledge,
    )


def _cause(failure: ForecasterError, turn: Turn, night: Night) -> ForecasterError:
    """Return why a bar is not there, which says more than that it is not."""
    why = turn.problem
    late = failure.code == "no_bar" and night.kind == "live"
    held = failure.code == "gaps" and why is not None and why.code == "held"
    return why if why is not None and (late or held) else failure
