"""The reporter that prints: what was done, the coming sessions, and how it has gone so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import Field

from forecaster import hookimpl
from forecaster.hooks import (
    Options,
    Report,
    Reporter,
    RunSummary,
    SeriesReport,
    read_options,
)

from . import scorecard
from .making import gate_words, spread_words
from .paper import Paper
from .scorecard import Score
from .wording import NONE, count, percent, pulled, series_places, significant, some

# More series than this and the tables show some of them: a log is not a database.
MANY_SERIES: Final = 40
SHOWN_OF_MANY: Final = 20
# How many of a handful of series are better than chance says nothing.
ENOUGH_SERIES: Final = 5


class ConsoleOptions(Options):
    """The table `[reporters.console]`."""

    width: int | None = Field(default=None, ge=40, le=1000)
    """Columns to print; by default the terminal's, and on a pipe what the tables need."""


class ConsoleReporter:
    """Prints a report on standard output, with colour only on a terminal."""

    name: ClassVar[str] = "console"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:  # noqa: ARG002
        # (the contract of a reporter gives every one the folder)
        self.options = read_options(ConsoleOptions, options, "reporters.console")

    def report(self, report: Report) -> None:
        """Print."""
        out = Paper(self.options.width)
        if report.summary is not None and report.summary.status == "nothing":
            out.line(_nothing(report.series))
            _print_doubts(out, report)
        else:
            if report.summary is not None:
                out.line(_done(report.summary))
            _print_doubts(out, report)
            _print_coming(out, report.series)
            _print_making(out, report.series)
            _print_scores(out, report.series)
            _print_origins(out, report.series)


def _done(summary: RunSummary) -> str:
    counts = (
        f"{count(summary.sessions, 'session')} worked",
        pulled(summary),
        f"{count(summary.trained, 'model')} trained",
        f"{summary.reused:,} reused",
        f"{count(summary.forecasts, 'forecast')} stored",
        f"{count(summary.scored, 'outcome')} scored",
    )
    kind = "" if summary.kind == "live" else f" ({summary.kind})"
    status = summary.status.capitalize()
    return f"{status}{kind} in {summary.seconds:.1f} s: {', '.join(counts)}."


def _nothing(series: Sequence[SeriesReport]) -> str:
    last = sorted({one.coming[0]["cutoff"] for one in series if one.coming})
    if not last:
        return "Nothing to do."
    if len(last) == 1:
        return f"Nothing to do: the last session was {last[0]}, and its forecasts are stored."
    return (
        f"Nothing to do: the last sessions were {last[0]} to {last[-1]} (by series), "
        "and their forecasts are stored."
    )


def _print_doubts(out: Paper, report: Report) -> None:
    """Say that there is something about prices; each is told on standard error and in tables."""
    held = [one.name for one in report.series if one.held]
    if held:
        out.line(f"Held prices, which are not used: {some(held)}. See: forecaster bars check")
    if report.summary is not None and report.summary.alerts:
        out.line(f"{count(len(report.summary.alerts), 'alert')} about prices that are used.")


def _print_coming(out: Paper, series: Sequence[SeriesReport]) -> None:
    """A row per series and horizon; for many series only the first of both."""
    coming = [one for one in series if one.coming]
    if not coming:
        out.heading("No forecasts yet.")
        return
    many = len(coming) > MANY_SERIES
    shown = coming[:SHOWN_OF_MANY] if many else coming
    out.heading("The coming sessions")
    table = out.table(
        [
            ("series", False),
            ("h", True),
            ("session", True),
            ("forecast", True),
            ("80 % interval", True),
            ("95 % interval", True),
            ("baseline", True),
        ]
    )
    for one in shown:
        for row in one.coming[:1] if many else one.coming:
            table.add_row(*_coming_cells(out, one, row))
    out.show(table)
    if many:
        rest = len(coming) - len(shown)
        out.line(f"... and {rest} more series, and their further horizons: forecaster forecasts")
    fallbacks = [one.name for one in coming if one.coming[0]["status"] == "fallback"]
    if fallbacks:
        out.line(f"Fallback, the last price itself, for {some(fallbacks)}.")


def _coming_cells(out: Paper, series: SeriesReport, row: dict[str, Any]) -> list[str]:
    decimals = series_places(series)

    def price(column: str) -> str:
        return f"{row[column]:.{decimals}f}"

    return [
        out.text(series.name),
        str(row["horizon"]),
        str(row["target_session"]),
        price("forecast"),
        f"{price('lo80')} {out.dash} {price('hi80')}",
        f"{price('lo95')} {out.dash} {price('hi95')}",
        price("baseline"),
    ]


def _print_scores(out: Paper, series: Sequence[SeriesReport]) -> None:
    """How the forecasts made so far did; one table, a row per series and kind."""
    found = [one for each in series for one in scorecard.scores(each)]
    if not found:
        out.heading("No outcomes yet: scores appear once a session that was forecast has closed.")
        return
    out.heading("Forecasts so far against the last price (all horizons together)")
    shown = _both_ends(found) if len(series) > MANY_SERIES else found
    table = out.table(
        [
            ("series", False),
            ("kind", False),
            ("n", True),
            ("MAE", True),
            ("baseline\nMAE", True),
            ("skill %", True),
            ("RMSE\nratio", True),
            ("within\n80 %", True),
            ("within\n95 %", True),
        ]
    )
    for one in shown:
        table.add_row(*_score_cells(out, one))
    out.show(table)
    if len(shown) < len(found):
        out.line(f"The lowest and the highest skill; all {len(found)} rows: forecaster accuracy")
    _print_verdicts(out, found)


def _both_ends(found: Sequence[Score]) -> list[Score]:
    ordered = sorted(found, key=lambda one: one.skill or 0.0)
    half = SHOWN_OF_MANY // 2
    return ordered if len(ordered) <= SHOWN_OF_MANY else ordered[:half] + ordered[-half:]


def _score_cells(out: Paper, one: Score) -> list[str]:
    ratio = one.rmse_ratio
    return [
        out.text(one.series),
        one.kind,
        str(one.n),
        significant(one.mae),
        significant(one.baseline_mae),
        percent(one.skill, sign=True),
        NONE if ratio is None else f"{ratio:.3f}",
        percent(one.coverage[0.80]),
        percent(one.coverage[0.95]),
    ]


def _print_verdicts(out: Paper, found: Sequence[Score]) -> None:
    """In words, per kind: who is better than the last price, and whether the intervals hold."""
    for kind in scorecard.KINDS:
        of_kind = [one for one in found if one.kind == kind]
        for verdict in sorted({one.verdict for one in of_kind}):
            names = [one.series for one in of_kind if one.verdict == verdict]
            out.line(f"{verdict[0].upper()}{verdict[1:]} ({kind}): {some(names)}.")
        if len(of_kind) >= ENOUGH_SERIES:
            out.line(scorecard.chance_note(of_kind))
        if of_kind:
            out.line(_coverage(of_kind, kind))


def _coverage(found: Sequence[Score], kind: str) -> str:
    off = [
        f"{one.series} {level * 100:.0f} % {100 * error:+.1f}"
        for one in found
        for level in scorecard.LEVELS
        if (error := one.off_target(level)) is not None
    ]
    if not off:
        return f"Coverage is on target, within noise ({kind})."
    return f"Coverage off target, by more points than noise readily gives ({kind}): {some(off)}."


def _print_making(out: Paper, series: Sequence[SeriesReport]) -> None:
    """Say who speaks in the coming forecasts, and whose spread they have."""
    for words in (gate_words(series), spread_words(series)):
        if words:
            out.line(words)


def _print_origins(out: Paper, series: Iterable[SeriesReport]) -> None:
    """Say which prices end in the past, and whose they are."""
    ends: dict[str, list[str]] = {}
    for one in series:
        if one.historical and one.prices:
            ends.setdefault(one.prices[-1][0], []).append(one.name)
    if ends:
        out.heading("Historical prices")
    for session, names in sorted(ends.items()):
        out.line(f"{some(names)}: prices end on {session}; that session counts as today.")
    for words in sorted({one.attribution for one in series if one.attribution}):
        out.line(words)


@hookimpl
def forecaster_reporters() -> list[type[Reporter]]:
    """The reporter `console`."""
    return [ConsoleReporter]
