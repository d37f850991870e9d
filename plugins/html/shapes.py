"""The traces and axes that the report's figures are made of.

A colour such as "--forecast" names a custom property of report.css, which report.js looks up, so
that light, dark and print share one figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final

from ..scorecard import Row

Trace = dict[str, Any]
Layout = dict[str, Any]

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
INTERVALS: Final = (("95", "--band95"), ("80", "--band80"))
HOVER_INTERVALS: Final = (
    "<br>80 %: %{customdata[0]:.5r} to %{customdata[1]:.5r}"
    "<br>95 %: %{customdata[2]:.5r} to %{customdata[3]:.5r}<extra></extra>"
)


def bands(rows: Sequence[Row]) -> list[Trace]:
    """The 95 % band with the 80 % band on it, each as its lower and its upper edge."""
    x = [row["target_session"] for row in rows]
    bare: Trace = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    traces: list[Trace] = []
    for level, colour in INTERVALS:
        lower = [number(row[f"lo{level}"]) for row in rows]
        upper = [number(row[f"hi{level}"]) for row in rows]
        traces += [
            {**bare, "x": x, "y": lower},
            {**bare, "x": x, "y": upper, "fill": "tonexty", "fillcolor": colour},
        ]
    return traces


def forecast_line(rows: Sequence[Row], column: str, colour: str, *, width: float) -> Trace:
    """A forecast as a line that tells its intervals when pointed at."""
    sides = ("lo80", "hi80", "lo95", "hi95")
    return {
        **path([r["target_session"] for r in rows], [number(r[column]) for r in rows], colour,
                width=width),
        "customdata": [[number(row[side]) for side in sides] for row in rows],
        "hovertemplate": "%{x}: forecast %{y:.5r}" + HOVER_INTERVALS,
    }  # fmt: skip


def path(
    x: Sequence[str] | Sequence[float],
    y: Sequence[float | None],
    colour: str,
    *,
    width: float = 1.4,
    dash: str = "solid",
) -> Trace:
    """A line without marks that says nothing when pointed at."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": width, "dash": dash},
        "hoverinfo": "skip",
    }


def layout_for(xaxis: Layout, *, height: int) -> Layout:
    """The layout that all figures share: no box, no zoom, horizontal rules only."""
    return {
        "height": height,
        "margin": {"l": 52, "r": 12, "t": 8, "b": 52 if "title" in xaxis else 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 13, "color": "--muted"},
        "hoverlabel": {"bgcolor": "--paper", "bordercolor": "--rule", "font": {"color": "--ink"}},
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "xaxis": {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": "outside",
                  "tickcolor": "--rule", "linecolor": "--rule", "showline": True, **xaxis},
        "yaxis": {"gridcolor": "--grid", "zeroline": False, "fixedrange": True, "nticks": 7},
    }  # fmt: skip


def horizon_axis(horizons: int) -> Layout:
    """Room for every horizon; each has a tick where that leaves them readable."""
    return {
        "type": "linear",
        "range": [0.5, horizons + 0.5],
        "tick0": 1,
        "dtick": max(1, horizons // 10),
        "title": {"text": "horizon, sessions ahead", "standoff": 6, "font": {"size": 13}},
    }


def session_axis(sessions: Iterable[str]) -> Layout:
    """Sessions evenly spaced, whatever the calendar, with a tick at the first of some months."""
    order = sorted(set(sessions))
    firsts = [now for before, now in pairwise(order) if now[:7] != before[:7]]
    ticks = (firsts or order[:1])[:: max(1, math.ceil(len(firsts) / 5))]
    labels = [_month(session) for session in ticks]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": order,
        "tickvals": ticks,
        "ticktext": [
            label if index == 0 or label[-4:] != labels[index - 1][-4:] else label[:3]
            for index, label in enumerate(labels)
        ],
        "tickangle": 0,
    }


def _month(session: str) -> str:
    day = date.fromisoformat(session)
    return f"{MONTHS[day.month - 1]} {day.year}"


def day_label(session: str) -> str:
    """A session as "1 Mar"."""
    day = date.fromisoformat(session)
    return f"{day.day} {MONTHS[day.month - 1]}"


def level_line(horizons: int, at: float) -> Trace:
    """A dotted line across all horizons at one height."""
    return path([0.5, horizons + 0.5], [at, at], "--baseline", dash="dot")


def number(value: float | None) -> float | None:
    """Seven significant digits are more than a screen shows; null where there is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")
