"""The figures of the HTML report as plotly JSON.

Plain dicts, as plotly.js reads them, hold no text from outside: names and sources stand in the
page around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forecaster.hooks import SeriesReport

from .. import scorecard
from ..scorecard import LEVELS, Row
from .rows import RECENT, backtest_rows, calibration_rows, one_step, skill_points
from .shapes import (
    Layout,
    Trace,
    bands,
    day_label,
    forecast_line,
    horizon_axis,
    layout_for,
    level_line,
    number,
    path,
    session_axis,
)

BEFORE_COMING: Final = 10


@dataclass(frozen=True)
class Figure:
    """What plotly draws: `name` is unique in its page, `data` and `layout` are plotly's."""

    name: str
    data: list[Trace]
    layout: Layout


def price_figure(series: SeriesReport) -> Figure:
    """Recent prices, the one-session-ahead intervals that met them, and the coming sessions."""
    prices = [(session, number(value)) for session, value in series.prices[-RECENT:]]
    sessions = [session for session, _ in prices]
    past = one_step(series)
    coming = _fan(series)
    outside = [row for row in past if not row["inside95"]]
    data = [
        *bands(past),
        *bands(coming),
        forecast_line(past, "forecast", "--forecast", width=1),
        forecast_line(coming, "forecast", "--forecast", width=2),
        {
            **path(sessions, [value for _, value in prices], "--ink", width=1.6),
            "hovertemplate": "%{x}: %{y:.5r}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [row["target_session"] for row in outside],
            "y": [number(row["actual"]) for row in outside],
            "marker": {
                "symbol": "circle-open",
                "size": 9,
                "color": "--miss",
                "line": {"color": "--miss", "width": 2},
            },
            "hoverinfo": "skip",
        },
    ]
    order = [*sessions, *(row["target_session"] for row in coming[1:])]
    return Figure("prices", data, layout_for(session_axis(order), height=380))


def coming_figure(series: SeriesReport) -> Figure:
    """The coming sessions after the last few prices, on their own scale."""
    prices = [(session, number(value)) for session, value in series.prices[-BEFORE_COMING:]]
    sessions = [session for session, _ in prices]
    fan = _fan(series)
    targets = [row["target_session"] for row in fan]
    data = [
        *bands(fan),
        path(targets, [number(row["baseline"]) for row in fan], "--baseline", dash="dot"),
        {
            **forecast_line(fan, "forecast", "--forecast", width=2),
            "mode": "lines+markers",
            "marker": {"size": 6, "color": "--forecast"},
        },
        {
            **path(sessions, [value for _, value in prices], "--ink", width=1.6),
            "hovertemplate": "%{x}: %{y:.5r}<extra></extra>",
        },
    ]
    axis = session_axis([*sessions, *targets[1:]])
    ticks = [sessions[0], targets[0], targets[-1]]
    axis |= {"tickvals": ticks, "ticktext": [day_label(session) for session in ticks]}
    return Figure("coming", data, layout_for(axis, height=380))


def skill_figure(series: SeriesReport, kind: str) -> Figure:
    """Skill per horizon with the range that sampling noise gives it; zero is the last price."""
    points = skill_points(series, kind)
    horizons = _horizons(series)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [horizon for horizon, _, _ in points],
        "y": [number(100 * skill) for _, skill, _ in points],
        "error_y": {
            "type": "data",
            "array": [number(100 * reach) for _, _, reach in points],
            "color": "--forecast",
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {"size": 9, "color": "--forecast"},
        "hovertemplate": "horizon %{x}: %{y:.1f} %<extra></extra>",
    }
    layout = layout_for(horizon_axis(horizons), height=300)
    layout["yaxis"] |= {"ticksuffix": " %", "rangemode": "tozero"}
    return Figure("skill", [level_line(horizons, 0.0), trace], layout)


def coverage_figure(series: SeriesReport, kind: str) -> Figure:
    """Share of outcomes inside each interval, per horizon, over the range that noise gives."""
    horizons = _horizons(series)
    data: list[Trace] = [level_line(horizons, 100 * level) for level in LEVELS]
    for level in LEVELS:
        rows = calibration_rows(series, kind, level)
        data += [_noise(rows, level), _covered(rows, level)]
    layout = layout_for(horizon_axis(horizons), height=300)
    layout["yaxis"] |= {"ticksuffix": " %"}
    return Figure("coverage", data, layout)


def backtest_figure(series: SeriesReport) -> Figure:
    """The article's picture: test prices against the network's output, one session ahead."""
    rows = backtest_rows(series)
    targets = [row["target_session"] for row in rows]
    data = [
        path(targets, [number(row["baseline"]) for row in rows], "--baseline", dash="dot"),
        {
            **path(targets, [number(row["forecast"]) for row in rows], "--forecast", width=1.6),
            "hovertemplate": "%{x}: network %{y:.5r}<extra></extra>",
        },
        {
            **path(targets, [number(row["actual"]) for row in rows], "--ink", width=1.6),
            "hovertemplate": "%{x}: price %{y:.5r}<extra></extra>",
        },
    ]
    return Figure("backtest", data, layout_for(session_axis(targets), height=380))


def _horizons(series: SeriesReport) -> int:
    return max((int(row["horizon"]) for row in series.accuracy), default=1)


def _fan(series: SeriesReport) -> list[Row]:
    """The coming rows, opened by the cutoff itself, where the interval has no width."""
    if not series.coming:
        return []
    first = series.coming[0]
    columns = ("forecast", "lo80", "hi80", "lo95", "hi95")
    opening = first | {"target_session": first["cutoff"]}
    return [opening | dict.fromkeys(columns, first["baseline"]), *series.coming]


def _beside(rows: Sequence[Row], level: float) -> list[float]:
    """The 80 % interval stands a little left of its horizon, the 95 % one a little right."""
    return [row["horizon"] + (0.14 if level == LEVELS[1] else -0.14) for row in rows]


def _noise(rows: Sequence[Row], level: float) -> Trace:
    """The binomial 95 % range around the nominal level, as a broad bar."""
    ranges = [scorecard.sampling_range(row["n"], level) for row in rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": _beside(rows, level),
        "y": [100 * level for _ in rows],
        "marker": {"size": 1, "color": "--band80"},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [number(100 * (high - level)) for _, high in ranges],
            "arrayminus": [number(100 * (level - low)) for low, _ in ranges],
            "color": "--band80",
            "thickness": 16,
            "width": 0,
        },
        "hoverinfo": "skip",
    }


def _covered(rows: Sequence[Row], level: float) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": _beside(rows, level),
        "y": [number(100 * row["covered"] / row["n"]) for row in rows],
        "marker": {
            "size": 9,
            "color": "--forecast",
            "symbol": "circle" if level == LEVELS[0] else "diamond",
        },
        "hovertemplate": f"{level * 100:.0f} % interval: %{{y:.1f}} %<extra></extra>",
    }
