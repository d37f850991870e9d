"""The figures of the HTML report with their titles, legends and what they say in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forecaster.hooks import SeriesReport

from .. import scorecard
from ..scorecard import Score
from ..wording import count, significant
from . import figures
from .figures import Figure
from .rows import RECENT, backtest_rows, calibration_rows, one_step, skill_points
from .tables import price_format


@dataclass(frozen=True)
class Plate:
    """A figure with what it shows (`title`) and what it says (`caption`), and its legend."""

    figure: Figure
    title: str
    caption: str
    legend: tuple[tuple[str, str], ...]


def plates(series: SeriesReport, main: Score | None) -> Iterable[Plate]:
    """Only the figures that have something to show."""
    if series.prices:
        yield Plate(
            figures.price_figure(series),
            f"The last {min(len(series.prices), RECENT)} sessions",
            _price_caption(series),
            (
                ("price", "price"),
                ("forecast", "forecast one session ahead"),
                ("band80", "80 % interval"),
                ("band95", "95 % interval"),
                ("miss", "outside 95 %"),
            ),
        )
    if series.prices and series.coming:
        yield Plate(
            figures.coming_figure(series),
            f"The coming {count(len(series.coming), 'session')}",
            _coming_caption(series),
            (("forecast", "forecast"), ("baseline", "last price")),
        )
    if main is not None:
        yield _skill_plate(series, main)
        yield _coverage_plate(series, main)
    if backtest_rows(series):
        yield Plate(
            figures.backtest_figure(series),
            "Prices and the network's output, one session ahead",
            backtest_words(series),
            (("price", "price"), ("forecast", "network"), ("baseline", "last price")),
        )


def _price_caption(series: SeriesReport) -> str:
    past = one_step(series)
    if not past:
        return "No forecast one session ahead has met its outcome yet."
    held = [
        f"{hits} ({hits / len(past):.0%}) inside the {level} % interval".replace("%)", " %)")
        for level in ("80", "95")
        for hits in [sum(row[f"inside{level}"] for row in past)]
    ]
    return f"Of {count(len(past), 'outcome')} drawn, {held[0]} and {held[1]}."


def _coming_caption(series: SeriesReport) -> str:
    last = series.coming[-1]
    price = price_format(series)
    return (
        f"From {price(last['baseline'])} on {last['cutoff']}: {price(last['forecast'])} for "
        f"{last['target_session']}, with 80 % between {price(last['lo80'])} and "
        f"{price(last['hi80'])}."
    )


def _skill_plate(series: SeriesReport, main: Score) -> Plate:
    points = skill_points(series, main.kind)
    ahead = sum(skill > 0 for _, skill, _ in points)
    beyond = sum(skill - reach > 0 for _, skill, reach in points)
    caption = (
        f"Closer than the last price at {ahead} of {count(len(points), 'horizon')}, beyond the "
        f"95 % range of noise at {beyond}. Zero is the last price; {main.kind}, "
        f"{count(main.n, 'outcome')}."
    )
    return Plate(
        figures.skill_figure(series, main.kind),
        "Skill by horizon",
        caption,
        (("dot", "skill and its 95 % range"), ("baseline", "last price")),
    )


def _coverage_plate(series: SeriesReport, main: Score) -> Plate:
    words = []
    for level in scorecard.LEVELS:
        rows = calibration_rows(series, main.kind, level)
        inside = 0
        for row in rows:
            low, high = scorecard.sampling_range(row["n"], level)
            inside += low <= row["covered"] / row["n"] <= high
        words.append(f"{level * 100:.0f} % intervals at {inside} of {count(len(rows), 'horizon')}")
    caption = (
        f"Within what noise alone gives: {words[0]}, {words[1]}. The bars are the 95 % range for "
        "independent outcomes; those of longer horizons overlap and may stray further."
    )
    return Plate(
        figures.coverage_figure(series, main.kind),
        "Interval coverage by horizon",
        caption,
        (
            ("dot", "inside 80 %"),
            ("diamond", "inside 95 %"),
            ("band80", "range of noise"),
            ("baseline", "nominal"),
        ),
    )


def backtest_words(series: SeriesReport) -> str:
    """The backtest's RMSE against the last price's; empty where there is no backtest."""
    rows = backtest_rows(series)
    if not rows:
        return ""
    rmse = (sum(row["error"] ** 2 for row in rows) / len(rows)) ** 0.5
    naive = (sum((row["actual"] - row["baseline"]) ** 2 for row in rows) / len(rows)) ** 0.5
    said = (
        f"Over {count(len(rows), 'target')} one session ahead the network's RMSE was "
        f"{significant(rmse)}, that of the last price {significant(naive)}"
    )
    if not naive:
        return f"{said}."
    gains = [(row["actual"] - row["baseline"]) ** 2 - row["error"] ** 2 for row in rows]
    return f"{said}: {rmse / naive:.3f} times naive, {_ratio_verdict(rmse / naive, gains)}."


def _ratio_verdict(ratio: float, gains: Sequence[float]) -> str:
    if ratio > 1:
        return "worse than repeating the last price"
    if ratio == 1:
        return "the same as repeating the last price"
    beyond = (scorecard.t_value(gains, lag=0) or 0.0) > scorecard.ENOUGH_T
    return f"better than repeating the last price, {'beyond' if beyond else 'but within'} chance"
