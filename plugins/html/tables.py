"""The tables of the HTML report as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forecaster.hooks import SeriesReport

from .. import scorecard
from ..scorecard import Row
from ..wording import EN_DASH, NONE, percent, series_places, significant


@dataclass(frozen=True)
class Table:
    """A table of text: the first column heads its row, `numeric` says which hold numbers."""

    caption: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]

    def cells(self, row: tuple[str, ...]) -> list[tuple[str, bool]]:
        """A row's cells after its head, each with whether it holds a number."""
        return list(zip(row, self.numeric, strict=True))[1:]


def coming_table(series: SeriesReport) -> Table | None:
    """A row per coming session."""
    if not series.coming:
        return None
    price = price_format(series)
    return Table(
        f"Forecasts from the prices up to {series.coming[0]['cutoff']}",
        ("session", "horizon", "forecast", "80 % interval", "95 % interval", "last price"),
        (False, True, True, True, True, True),
        tuple(
            (
                str(row["target_session"]),
                str(row["horizon"]),
                price(row["forecast"]) + (" (fallback)" if row["status"] == "fallback" else ""),
                interval(row, "80", price),
                interval(row, "95", price),
                price(row["baseline"]),
            )
            for row in series.coming
        ),
    )


def making_table(series: SeriesReport) -> Table | None:
    """A row per coming session: what the network says, what the gate makes of it, the spread."""
    if not series.parts:
        return None
    gates = {row["horizon"]: row for row in series.gates if row["head"] == "mean"}
    return Table(
        "What they are made of; a unit is the present volatility over the horizon",
        ("horizon", "network says, units", "weight of that", "its gate", "spread",
         "deviation in units", "80 % reaches", "95 % reaches", "forecast id"),
        (False, True, True, False, False, True, True, True, True),
        tuple(
            (
                f"{row['horizon']} ahead",
                NONE if row["network_move"] is None else f"{row['network_move']:+.3f}",
                NONE if row["network_move"] is None else f"{row['gate_weight']:.2f}",
                _gate(row, gates.get(row["horizon"])),
                str(row["spread"]) + (f": {row['spread_reason']}" if row["spread_reason"] else ""),
                f"{row['scale'] / row['unit']:.2f}" if row["unit"] else NONE,
                f"{row['quantile80']:.2f}",
                f"{row['quantile95']:.2f}",
                str(row["forecast_id"]),
            )
            for row in series.parts
        ),
    )  # fmt: skip


def _gate(row: Row, gate: Row | None) -> str:
    if row["network_move"] is None:
        return NONE
    state = "open" if row["gate_weight"] else "closed"
    return state if gate is None else f"{state}, t = {gate['t']:.2f} after {gate['outcomes']}"


def accuracy_table(series: SeriesReport) -> Table | None:
    """A row per kind and horizon; the kinds are never mixed."""
    shares = {
        (row["kind"], row["horizon"], round(row["level"], 2)): row["coverage"]
        for row in series.calibration
    }
    rows = [
        (
            f"{row['kind']}, {row['horizon']} ahead",
            str(row["n"]),
            significant(row["mae"]),
            significant(row["baseline_mae"]),
            percent(row["skill_mae"], sign=True),
            significant(row["rmse"]),
            significant(row["baseline_rmse"]),
            *(percent(shares.get((row["kind"], row["horizon"], level))) for level in (0.8, 0.95)),
        )
        for kind in scorecard.KINDS
        for row in sorted(series.accuracy, key=lambda row: int(row["horizon"]))
        if row["kind"] == kind and row["n"]
    ]
    if not rows:
        return None
    return Table(
        "Errors of the forecasts and of the last price on the same sessions",
        ("kind, horizon", "outcomes", "MAE", "MAE of last price", "skill %", "RMSE",
         "RMSE of last price", "inside 80 %", "inside 95 %"),
        (False, *(True,) * 8),
        tuple(rows),
    )  # fmt: skip


def decision_table(series: SeriesReport) -> Table | None:
    """A row per decision, with its reason."""
    if not series.decisions:
        return None
    return Table(
        "The last decisions, newest first",
        ("session", "decision", "reason", "model", "skill % of network", "best t",
         "coverage 80 % off", "alarms"),
        (False, False, False, True, True, True, True, False),
        tuple(
            (
                str(row["session"]),
                str(row["verdict"]),
                str(row["reason"]),
                _or_none(row["model_id"]),
                percent(row.get("skill"), sign=True),
                _two(row.get("skill_t")),
                percent(row.get("coverage_error80"), sign=True),
                str(row.get("alarms") or NONE),
            )
            for row in newest_first(series.decisions)
        ),
    )  # fmt: skip


def held_table(series: SeriesReport) -> Table | None:
    """A row per bar, action or answer that is not believed, the newest first."""
    if not series.held:
        return None
    price = price_format(series)
    rows = sorted(series.held, key=lambda row: str(row["session"] or ""), reverse=True)
    return Table(
        "Said by the source and not used",
        ("session", "what", "close", "why", "first seen"),
        (False, False, True, False, True),
        tuple(
            (
                str(row["session"] or "all"),
                str(row["what"]),
                NONE if row["close"] is None else price(row["close"]),
                str(row["reason"]),
                str(row["first_seen_at"])[:10],
            )
            for row in rows
        ),
    )


def alert_table(series: SeriesReport) -> Table | None:
    """A row per alert, the newest first."""
    if not series.alerts:
        return None
    rows = sorted(series.alerts, key=lambda row: str(row["raised_at"]), reverse=True)
    return Table(
        "Noticed in the last 30 days; these prices are used",
        ("raised", "session", "what"),
        (False, True, False),
        tuple(
            (str(row["raised_at"])[:10], str(row["session"]), str(row["message"])) for row in rows
        ),
    )


def newest_first(decisions: Sequence[Row]) -> list[Row]:
    """Decisions by session, the last one first."""
    return sorted(
        decisions, key=lambda row: (str(row["session"]), row["decision_id"]), reverse=True
    )


def interval(row: Row, level: str, price: Callable[[float], str]) -> str:
    """One interval of a forecast row, such as "421.70 - 449.01" with an en dash."""
    return f"{price(row[f'lo{level}'])} {EN_DASH} {price(row[f'hi{level}'])}"


def price_format(series: SeriesReport) -> Callable[[float], str]:
    """How prices of this series are written: with the same decimals everywhere."""
    decimals = series_places(series)
    return lambda value: f"{value:.{decimals}f}"


def _or_none(value: object) -> str:
    return NONE if value is None else str(value)


def _two(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
