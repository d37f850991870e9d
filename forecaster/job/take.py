"""Take answers over into the ledger: what is believed is stored, the rest is held."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from forecaster.errors import DataError, ForecasterError, SourceError
from forecaster.job.asking import Pulled
from forecaster.job.border import Limits, Passed, last_settled, limits_of, pass_border
from forecaster.job.context import Job
from forecaster.job.foreign import foreign
from forecaster.ledger import Instrument
from forecaster.ledger.before import OVERLAP, Address, Before, read_before
from forecaster.ledger.instruments import read_instruments
from forecaster.ledger.prices import last_sessions
from forecaster.ledger.pulls import Pull, record_pulls
from forecaster.ledger.quotes import Answer, Stored, store_quotes
from forecaster.market import Alert, Held, reconcile

CHUNK = 64
"""Instruments whose answers are stored in one transaction."""
BARS = 200_000
"""Bars in one transaction, and the last instrument's: some seconds, for which others wait."""
REMEDIES = {
    "non_positive": 'correct it, or set values = "difference" if such values are right',
    "foreign_session": "name the calendar these prices follow (`calendar` of the series), or write"
    " the session into the closures file as open",
}
"""For what is held for another reason than that it looks wrong."""
SEVERAL = 2
"""Instruments of a calendar that must all lack a session to make it look like a closure."""


@dataclass(frozen=True)
class Taken:
    """What became of the pull of one instrument.

    Attributes:
        pull: as it is recorded; None where nothing was asked.
        problem: what stands in the way of tonight, if anything does.
        alerts: what was noticed, one line each.
        lacks: the session that should be there, where the source has no bar of it.
    """

    pull: Pull | None = None
    problem: ForecasterError | None = None
    alerts: tuple[str, ...] = ()
    lacks: date | None = None


def take(job: Job, pulled: Iterable[tuple[Address, Pulled]]) -> dict[Address, Taken]:
    """Store what may be stored of answers, hold the rest, and return what became of each."""
    known = read_instruments(job.ledger)
    limits = limits_of(job.settings.each_series())
    taken: dict[Address, Taken] = {}
    chunk: dict[Address, tuple[Pulled, Passed]] = {}
    asked: list[Address] = []
    for address, answer in pulled:
        if answer.asked:  # what a file says tells nothing about how the source answers
            asked.append(address)
        if answer.quotes is None:
            taken[address] = _unanswered(job, address, answer, known.get(address))
            continue
        try:
            passed = pass_border(
                job, address, answer.quotes, limits.get(address, Limits()), known.get(address)
            )
        except Exception as error:  # noqa: BLE001  a foreign plugin may return anything
            problem = foreign(f"the answer of source {address[0]}", error)
            taken[address] = _refused(job, address, answer, problem, known.get(address))
            continue
        chunk[address] = (answer, passed)
        if len(chunk) >= CHUNK or sum(len(one.told.bars) for _, one in chunk.values()) >= BARS:
            taken |= _store(job, chunk)
            chunk = {}
    taken |= _store(job, chunk)
    taken = _with_closures(job, taken)
    record_pulls(
        job.ledger,
        # In the order of the questions: what came after an answer is a new refusal.
        [one for address in asked if (one := taken[address].pull) and _worth_recording(one)],
    )
    return taken


def _worth_recording(pull: Pull) -> bool:
    """Return whether anything came of it: whoever reads local files does so at every run."""
    return bool(
        pull.requests
        or pull.outcome != "ok"
        or pull.new_bars
        or pull.revised_bars
        or pull.held_bars
    )


def _store(job: Job, chunk: Mapping[Address, tuple[Pulled, Passed]]) -> dict[Address, Taken]:
    """Hold answers against what is stored, and store what is new and believed."""
    if not chunk:
        return {}
    before = read_before(job.ledger, {one: passed.told for one, (_, passed) in chunk.items()})
    answers = {one: _answer(passed, before[one]) for one, (_, passed) in chunk.items()}
    stored = store_quotes(job.ledger, list(answers.values()), now=job.clock())
    last = last_sessions(job.ledger)
    return {
        address: _taken(job, address, chunk[address], answers[address], one, last.get(address))
        for address, one in zip(chunk, stored, strict=True)
    }


def _answer(passed: Passed, before: Before) -> Answer:
    """Return what of an answer is stored: what follows on what is stored already, and fits it."""
    if passed.doubt and not before.trusted:
        return Answer.nothing_but(passed.known or passed.instrument, passed.doubt)
    told, rules = passed.told, replace(passed.rules, trusted=before.trusted)
    count = len(told.bars)
    again = before.skip if before.skip == count else max(0, before.skip - OVERLAP)
    rest = told.bars.where(np.arange(count) >= again)
    acted = told.actions.since(rest.sessions[0]) if told.actions and len(rest) else told.actions
    found = reconcile(before.kept, rest, acted, rules)
    first: date | None = rest.sessions[0].item() if len(rest) else None
    held = before.still_held(passed.held)
    return Answer(
        instrument=passed.instrument,
        bars=found.bars,
        actions=found.actions,
        inferred=found.inferred,
        held=(*held, *found.held),
        alerts=(*found.alerts, *_missing(passed, before)),
        judged=min([first, *(one.session for one in held if one.session)]) if first else None,
        mark=None if any(one.what == "answer" for one in found.held) else told.mark,
    )


def _missing(passed: Passed, before: Before) -> tuple[Alert, ...]:
    """Return the alert for sessions that are missing between the bars that are new."""
    stored = before.kept.bars.sessions
    since = stored[-1] if len(stored) else passed.due[:1]
    lacking = np.setdiff1d(passed.due[passed.due > since], passed.told.bars.sessions)
    if before.skip == len(passed.told.bars) or not len(lacking):
        return ()
    others = (
        f", and {len(lacking) - 1} more sessions up to {lacking[-1]}" if lacking[1:].size else ""
    )
    what = f"there is no bar for {lacking[0]}{others}"
    return (Alert(lacking[0].item(), "missing", what),)


def _taken(
    job: Job,
    address: Address,
    pulled: tuple[Pulled, Passed],
    answer: Answer,
    stored: Stored,
    last: date | None,
) -> Taken:
    source, symbol = address
    asked, passed = pulled
    lacks = _lacking(passed.expected, last, answer.held)
    problem = _held_problem(answer.held, stored, last)
    outcome = "incomplete" if lacks else "ok"
    if lacks and problem is None:
        problem = SourceError(
            f"{source} has no bar of {symbol} for session {lacks} yet",
            remedy="run again when it has",
            code="incomplete",
        )
    pull = Pull(
        source, symbol, job.clock(), said="ok", outcome=outcome,
        reason=str(problem) if problem else "", requests=asked.requests,
        new_bars=stored.new_bars, revised_bars=stored.revised_bars, held_bars=len(answer.held),
    )  # fmt: skip
    alerts = tuple(f"{symbol}: {one.message}" for one in stored.alerts)
    return Taken(pull, problem, alerts, lacks)


def _lacking(expected: date | None, last: date | None, held: Sequence[Held]) -> date | None:
    """Return the session that should be there and of which the source has no bar, not even held."""
    if expected is None or (last and last >= expected):
        return None
    explained = any(one.session is None or one.session >= expected for one in held)
    return None if explained else expected


def _held_problem(
    held: Sequence[Held], stored: Stored, last: date | None
) -> ForecasterError | None:
    """Return the problem of what is held anew, or is newer than all that is stored."""
    fresh = [one for one in held if one in stored.held or _is_newest(one, last)]
    if not fresh:
        return None
    one, others = fresh[0], len(fresh) - 1
    where = f"the {one.what} of {one.session}" if one.session else "the answer"
    more = f"; so {'are' if others > 1 else 'is'} {others} more" if others else ""
    return DataError(
        f"{where} is held: {one.reason}{more}",
        remedy=REMEDIES.get(
            one.code, "`forecaster bars check` shows it, `bars accept` believes it"
        ),
        code="held",
    )


def _is_newest(one: Held, last: date | None) -> bool:
    return one.session is None or last is None or one.session > last


def _unanswered(job: Job, address: Address, pulled: Pulled, known: Instrument | None) -> Taken:
    """Return what became of a pull without an answer; without a new session none is needed."""
    problem = pulled.problem
    if problem is None:
        return Taken()
    pull = _failed_pull(job, address, pulled, problem.code) if pulled.asked else None
    if problem.code == "no_session" and known is not None:
        last = last_sessions(job.ledger).get(address)
        expected = last_settled(job, job.calendars.get(known.calendar))
        if last is not None and last >= expected:
            return Taken(pull)
        return Taken(pull and replace(pull, outcome="incomplete"), problem, lacks=expected)
    return Taken(pull, problem)


def _refused(
    job: Job, address: Address, pulled: Pulled, problem: ForecasterError, known: Instrument | None
) -> Taken:
    """Hold an answer that cannot be used as a whole, for whoever looks for it."""
    outcome = problem.code if isinstance(problem, SourceError) else "bad_response"
    pull = _failed_pull(job, address, pulled, outcome)
    if known is None or isinstance(problem, SourceError):
        return Taken(pull, problem)
    held = Held(None, "answer", problem.code, problem.message)
    store_quotes(job.ledger, [Answer.nothing_but(known, held)], now=job.clock())
    return Taken(replace(pull, held_bars=1), problem)


def _failed_pull(job: Job, address: Address, pulled: Pulled, outcome: str) -> Pull:
    return Pull(
        *address, job.clock(), said=pulled.said or outcome, outcome=outcome,
        reason=str(pulled.problem or ""), requests=pulled.requests, resumes_at=pulled.resumes_at,
    )  # fmt: skip


def _with_closures(job: Job, taken: Mapping[Address, Taken]) -> dict[Address, Taken]:
    """Say of a session that every instrument of its calendar lacks what it may be."""
    instruments = read_instruments(job.ledger)
    asked: dict[str, list[Address]] = defaultdict(list)
    for address, one in taken.items():
        found = instruments.get(address)
        if found and not found.historical and one.pull and one.pull.outcome in ("ok", "incomplete"):
            asked[found.calendar].append(address)
    changed = dict(taken)
    for calendar, addresses in asked.items():
        sessions = {taken[one].lacks for one in addresses}
        session = sessions.pop()
        if sessions or session is None or len(addresses) < SEVERAL:
            continue
        problem = DataError(
            f"no instrument of {calendar} has a bar for session {session}",
            remedy=f"wait for the sources; if the exchange was closed, write `{calendar} {session}"
            " closed` into the closures file",
            code="unknown_closure",
        )
        for address in addresses:
            changed[address] = replace(taken[address], problem=problem)
    return changed
