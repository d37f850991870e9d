"""What each page of the HTML report says, as values that its templates only lay out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from forecaster.hooks import Report, SeriesReport

from .. import scorecard
from ..making import gate_words, speakers, spread_words
from ..scorecard import Row, Score
from ..wording import NONE, count, percent, pulled, some
from .plates import Plate, backtest_words, plates
from .tables import (
    Table,
    accuracy_table,
    alert_table,
    coming_table,
    decision_table,
    held_table,
    interval,
    making_table,
    newest_first,
    price_format,
)

PAGE_NAME: Final = re.compile(r"[a-z0-9-]{1,48}-[0-9a-f]{8}\.html")
SPARK_SESSIONS: Final = 60
SPARK_WIDTH, SPARK_HEIGHT = 96, 28


@dataclass(frozen=True)
class SeriesPage:
    """One series' page."""

    file: str
    series: SeriesReport
    lead: str
    plates: dict[str, Plate]
    coming: Table | None
    making: Table | None
    coverage: str
    accuracy: Table | None
    decisions: Table | None
    held: Table | None
    alerts: Table | None
    backtest: str


@dataclass(frozen=True)
class IndexRow:
    """One series' row of the first page; intervals are (forecast, interval) pairs."""

    file: str
    name: str
    spark: str
    session: str
    price: str
    nearest: tuple[str, str]
    furthest: tuple[str, str]
    skill: str
    cells: str
    verdict: str
    mean: str
    inside80: str
    inside95: str
    target: str
    decision: str


@dataclass(frozen=True)
class Doubt:
    """How many prices of a series are held, or alerts there are, and where they are listed."""

    file: str
    name: str
    number: int


@dataclass(frozen=True)
class IndexPage:
    """The first page."""

    rows: tuple[IndexRow, ...]
    furthest: str
    chance: str
    making: tuple[str, ...]
    held: tuple[Doubt, ...]
    alerts: tuple[Doubt, ...]
    historical: tuple[str, ...]
    attributions: tuple[str, ...]
    done: str


def page_name(series: SeriesReport) -> str:
    """A file name that is stable, unique and free of whatever the series is called."""
    slug = re.sub(r"[^a-z0-9]+", "-", series.name.lower()).strip("-")[:40].strip("-")
    identity = f"{series.name}\0{series.source}\0{series.symbol}\0{series.field}"
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug or 'series'}-{digest}.html"


def series_page(series: SeriesReport) -> SeriesPage:
    """Everything the page of one series says."""
    main = scorecard.main_score(series)
    return SeriesPage(
        file=page_name(series),
        series=series,
        lead=scorecard.sentence(main) if main else "No forecast of this series has an outcome yet.",
        plates={plate.figure.name: plate for plate in plates(series, main)},
        coming=coming_table(series),
        making=making_table(series),
        coverage=_coverage(main),
        accuracy=accuracy_table(series),
        decisions=decision_table(series),
        held=held_table(series),
        alerts=alert_table(series),
        backtest=backtest_words(series),
    )


def index_page(report: Report) -> IndexPage:
    """Everything the first page says."""
    mains = [scorecard.main_score(series) for series in report.series]
    horizons = {len(series.coming) for series in report.series if series.coming}
    ends: dict[str, list[str]] = {}
    for series in report.series:
        if series.historical and series.prices:
            ends.setdefault(series.prices[-1][0], []).append(series.name)
    return IndexPage(
        rows=tuple(map(_index_row, report.series, mains)),
        furthest=_furthest(horizons),
        chance=scorecard.chance_note([one for one in mains if one is not None]),
        making=tuple(filter(None, (gate_words(report.series), spread_words(report.series)))),
        held=_doubts(report.series, lambda series: len(series.held)),
        alerts=_doubts(report.series, lambda series: len(series.alerts)),
        historical=tuple(
            f"{some(names)}: prices end on {session}, and that session counts as today."
            for session, names in sorted(ends.items())
        ),
        attributions=tuple(sorted({one.attribution for one in report.series if one.attribution})),
        done=_done(report),
    )


def _doubts(
    series: Sequence[SeriesReport], number: Callable[[SeriesReport], int]
) -> tuple[Doubt, ...]:
    return tuple(Doubt(page_name(one), one.name, number(one)) for one in series if number(one))


def _furthest(horizons: set[int]) -> str:
    """The heading of the last forecast of each series; empty where there is only the next."""
    if max(horizons, default=1) == 1:
        return ""
    return f"{max(horizons)} sessions ahead" if len(horizons) == 1 else "furthest session"


def _index_row(series: SeriesReport, main: Score | None) -> IndexRow:
    price = price_format(series)
    decisions = newest_first(series.decisions)

    session = series.prices[-1][0] if series.prices else NONE

    def said(row: Row) -> tuple[str, str]:
        if row["cutoff"] < session:  # what it calls the coming sessions are past
            return NONE, f"newest from {row['cutoff']}"
        return price(row["forecast"]), interval(row, "80", price)

    return IndexRow(
        file=page_name(series),
        name=series.name,
        spark=_spark([value for _, value in series.prices[-SPARK_SESSIONS:]]),
        session=session,
        price=price(series.prices[-1][1]) if series.prices else NONE,
        nearest=said(series.coming[0]) if series.coming else (NONE, ""),
        furthest=said(series.coming[-1]) if series.coming else (NONE, ""),
        skill=percent(main.skill, sign=True) if main else NONE,
        cells=f"{main.kind}, {main.n:,}" if main else "",
        verdict=main.verdict if main else scorecard.NO_OUTCOME,
        mean=_mean(series),
        inside80=percent(main.coverage[0.80]) if main else NONE,
        inside95=percent(main.coverage[0.95]) if main else NONE,
        target=_target(main),
        decision=f"{decisions[0]['verdict']}: {decisions[0]['reason']}" if decisions else NONE,
    )


def _mean(series: SeriesReport) -> str:
    """Who says where the coming forecasts are."""
    speaking = speakers(series)
    if not series.parts or not speaking:
        return "last price" if series.parts else ""
    return f"network at {len(speaking)} of {count(len(series.parts), 'horizon')}"


def _target(main: Score | None) -> str:
    """By how many points coverage is off, beyond noise, at each level."""
    if main is None:
        return ""
    off = {level: main.off_target(level) for level in scorecard.LEVELS}
    said = [
        f"{level * 100:.0f} % {100 * error:+.1f}"
        for level, error in off.items()
        if error is not None
    ]
    return f"off by {', '.join(said)}" if said else "on target"


def _coverage(main: Score | None) -> str:
    return scorecard.coverage_words(main) if main else ""


def _spark(values: Sequence[float]) -> str:
    """The points of a small polyline; empty where there is nothing to draw."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    step = SPARK_WIDTH / (len(values) - 1)
    return " ".join(
        f"{at * step:.1f},{2 + (SPARK_HEIGHT - 4) * (high - value) / reach:.1f}"
        for at, value in enumerate(values)
    )


def _done(report: Report) -> str:
    summary = report.summary
    if summary is None or summary.status == "nothing":
        return ""
    return (
        f"The last run ended {summary.status} after {summary.seconds:.1f} s: "
        f"{count(summary.sessions, 'session')} worked, {pulled(summary)}, "
        f"{count(summary.trained, 'model')} trained, {summary.reused:,} reused, "
        f"{count(summary.forecasts, 'forecast')} stored, {count(summary.scored, 'outcome')} scored."
    )
