"""Reports as the ledger would give them, built from prices: real ones or a seeded random walk."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count, groupby, pairwise
from typing import Any

from forecaster.hooks import Report, RunSummary, SeriesReport

Row = dict[str, Any]
QUANTILES = {"80": 1.2816, "95": 1.9600}
SUMMARY = RunSummary(
    kind="live",
    status="done",
    sessions=488,
    bars_pulled=24112,
    trained=8,
    reused=480,
    forecasts=2440,
    scored=2280,
    seconds=12.34,
    historical=False,
    problems=(),
)


def weekdays(first: date, number: int) -> list[str]:
    """The next `number` weekdays from `first` on, as ISO strings."""
    days = (first + timedelta(days=step) for step in count())
    open_days = (day.isoformat() for day in days if day.weekday() < 5)
    return [next(open_days) for _ in range(number)]


def random_walk(seed: int, length: int = 400, start: float = 400.0) -> list[tuple[str, float]]:
    """Sessions and prices of a geometric random walk with 1.5 % steps."""
    rng = random.Random(seed)
    prices = [start]
    while len(prices) < length:
        prices.append(prices[-1] * math.exp(0.015 * rng.gauss(0, 1)))
    return list(zip(weekdays(date(2025, 1, 6), length), prices, strict=True))


def spreads(prices: Sequence[float]) -> list[float]:
    """EWMA standard deviation of log returns known at each session."""
    found, variance = [0.01], 1e-4
    for before, after in pairwise(prices):
        variance = 0.97 * variance + 0.03 * math.log(after / before) ** 2
        found.append(math.sqrt(variance))
    return found


def cell(name: str, kind: str, cutoff: str, target: str, *, horizon: int, value: float) -> Row:
    """The identifying half of a forecast row; `value` is the last price."""
    return {
        "forecast_id": 0, "run_id": 1, "kind": kind, "series": name, "source": "sample",
        "symbol": name, "field": "close", "cutoff": cutoff, "horizon": horizon,
        "target_session": target, "issued_at": f"{cutoff}T22:00:00+00:00", "model_id": 1,
        "status": "ok", "baseline": value,
    }  # fmt: skip


def said(value: float, spread: float, shift: float) -> Row:
    """Forecast and intervals around the last price moved by `shift` spreads."""
    row: Row = {"forecast": value * math.exp(shift * spread)}
    for level, quantile in QUANTILES.items():
        row[f"lo{level}"] = row["forecast"] * math.exp(-quantile * spread)
        row[f"hi{level}"] = row["forecast"] * math.exp(quantile * spread)
    return row


def happened(row: Row, actual: float) -> Row:
    """The scored half of a forecast row."""
    error = actual - row["forecast"]
    inside = {f"inside{p}": int(row[f"lo{p}"] <= actual <= row[f"hi{p}"]) for p in QUANTILES}
    return {
        "actual": actual,
        "error": error,
        "abs_error": abs(error),
        "baseline_abs_error": abs(actual - row["baseline"]),
        **inside,
        "scored_at": "2026-11-22T20:00:00+00:00",
    }


def accuracy_rows(rows: Sequence[Row]) -> list[Row]:
    """What the view `accuracy` makes of these rows."""
    found = []
    for (kind, horizon), group in _cells(rows):
        n = len(group)
        mae = sum(row["abs_error"] for row in group) / n
        base = sum(row["baseline_abs_error"] for row in group) / n
        rmse = math.sqrt(sum(row["abs_error"] ** 2 for row in group) / n)
        base_rmse = math.sqrt(sum(row["baseline_abs_error"] ** 2 for row in group) / n)
        found.append(
            {
                "series": group[0]["series"], "kind": kind, "horizon": horizon, "n": n,
                "mae": mae, "rmse": rmse, "baseline_mae": base, "baseline_rmse": base_rmse,
                "skill_mae": 1 - mae / base if base else None,
                "skill_rmse": 1 - rmse / base_rmse if base_rmse else None,
                "bias": sum(row["error"] for row in group) / n,
            }
        )  # fmt: skip
    return found


def calibration_rows(rows: Sequence[Row]) -> list[Row]:
    """What the view `calibration` makes of these rows."""
    found = []
    for (kind, horizon), group in _cells(rows):
        for level in QUANTILES:
            covered = sum(row[f"inside{level}"] for row in group)
            width = sum(row[f"hi{level}"] - row[f"lo{level}"] for row in group) / len(group)
            found.append(
                {
                    "series": group[0]["series"], "kind": kind, "horizon": horizon,
                    "level": int(level) / 100, "n": len(group), "covered": covered,
                    "coverage": covered / len(group), "mean_width": width,
                }
            )  # fmt: skip
    return found


def skill_rows(rows: Sequence[Row]) -> list[Row]:
    """What the view `skill` makes of these rows."""
    found = []
    for (kind, horizon), group in _cells(rows):
        gains = [_gain(row) for row in group]
        squares = sum(gain * gain for gain in gains)
        t = sum(gains) / math.sqrt(horizon * squares) if squares else 0.0
        better, worse = len(group) >= 40 and t > 1.64, len(group) >= 40 and t < -1.64
        word = "better" if better else "worse" if worse else "not better"
        found.append(
            {
                "series": group[0]["series"], "kind": kind, "horizon": horizon, "n": len(group),
                "skill_mae": None, "skill_rmse": None, "t": t,
                "verdict": f"{word} than the last price",
            }
        )  # fmt: skip
    return found


def _gain(row: Row) -> float:
    width = row["hi80"] - row["lo80"]
    return (row["baseline_abs_error"] ** 2 - row["error"] ** 2) / width**2


def part_row(row: Row, **values: Any) -> Row:
    """The row of `forecast_parts` of a coming forecast: its gate is closed."""
    return {
        "forecast_id": row["forecast_id"], "series": row["series"], "kind": row["kind"],
        "backtest_id": None, "cutoff": row["cutoff"], "horizon": row["horizon"], "model_id": 1,
        "baseline": row["baseline"], "forecast": row["forecast"], "unit": 0.01,
        "network_move": 0.02, "gate_weight": 0.0, "spread": "linear",
        "spread_order": "linear > ewma", "spread_reason": "", "scale": 0.011,
        "head_scale": 0.011, "ewma_scale": 0.01, "panel_id": None, "quantile80": 1.14,
        "quantile95": 1.99, "actual_move": None, "eta": None,
    } | values  # fmt: skip


def gate_row(name: str, horizon: int, **values: Any) -> Row:
    """A row of `gate_state`: that of a mean, and closed."""
    return {
        "series": name, "backtest_id": None, "head": "mean", "horizon": horizon, "weight": 0.0,
        "t": 0.31, "n": 52.1, "skill": -0.01, "gain": 0.1, "power": 0.2, "noise": 0.1,
        "size": 50.0, "outcomes": 60, "last_cutoff": "2026-07-14",
    } | values  # fmt: skip


def _cells(rows: Iterable[Row]) -> Iterable[tuple[tuple[str, int], list[Row]]]:
    def key(row: Row) -> tuple[str, int]:
        return row["kind"], row["horizon"]

    return [(cell_key, list(group)) for cell_key, group in groupby(sorted(rows, key=key), key=key)]


def decision_rows(name: str, sessions: Sequence[str]) -> list[Row]:
    """Ten decisions, the newest first; the oldest is the training."""
    return [
        {
            "decision_id": index, "run_id": index, "kind": "live", "series": name,
            "session": session, "verdict": "retrain" if index == 9 else "reuse",
            "reason_code": "no_model" if index == 9 else "young_enough",
            "reason": "no model yet" if index == 9 else f"{9 - index} of 63 sessions old",
            "model_id": 1, "age_sessions": 9 - index, "allowed_age": 63, "fingerprint": "f" * 16,
            "model_fingerprint": "f" * 16, "decided_at": f"{session}T22:00:00+00:00",
            "skill": -0.021, "skill_t": 0.44, "coverage_error80": 0.013, "alarms": "",
        }
        for index, session in enumerate(reversed(sessions[-10:]))
    ]  # fmt: skip


def held_row(name: str = "AAPL", session: str | None = "2026-07-14", **values: Any) -> Row:
    """An open row of `quarantine_history`."""
    return {
        "source": "sample", "symbol": name, "session": session, "what": "bar",
        "reason_code": "jump", "reason": "close 91.2 is 78 % below 412.3 and no split says why",
        "open": None, "high": None, "low": None, "close": 91.2, "volume": None, "split": None,
        "dividend": None, "first_seen_at": "2026-07-14T22:00:00.000000+00:00",
        "last_seen_at": "2026-07-15T22:00:00.000000+00:00", "resolved_at": None,
        "resolution": None,
    } | values  # fmt: skip


def alert_row(name: str = "AAPL", session: str = "2026-07-10", **values: Any) -> Row:
    """A row of `alert_history`."""
    return {
        "source": "sample", "symbol": name, "session": session, "code": "revised",
        "message": "close was 412.3 and is 405.1 now, 1.7 % less",
        "raised_at": "2026-07-14T22:00:00.000000+00:00",
    } | values  # fmt: skip


def series_report(
    name: str = "AAPL",
    prices: Sequence[tuple[str, float]] = (),
    *,
    horizon: int = 5,
    cutoffs: dict[str, int] | None = None,
    noise: float = 0.2,
    foresight: float = 0.0,
    seed: int = 1,
    **attributes: Any,
) -> SeriesReport:
    """One series: `cutoffs` says how many sessions of each kind; `noise` shifts the mean.

    `foresight` is the share of the true move that the mean knows: a forecast with skill.
    """
    prices = list(prices) or random_walk(seed)
    rng = random.Random(seed)
    sessions, values = [session for session, _ in prices], [value for _, value in prices]
    scale = spreads(values)
    coming_sessions = weekdays(date.fromisoformat(sessions[-1]) + timedelta(days=1), horizon)

    def row(kind: str, at: int, step: int) -> Row:
        known = at + step < len(prices)
        target = sessions[at + step] if known else coming_sessions[at + step - len(prices)]
        spread = scale[at] * math.sqrt(step)
        shift = noise * rng.gauss(0, 1)
        if known:
            shift += foresight * math.log(values[at + step] / values[at]) / spread
        made = cell(name, kind, sessions[at], target, horizon=step, value=values[at])
        made |= said(values[at], spread, shift)
        return made | happened(made, values[at + step]) if known else made

    scored = [
        row(kind, at, step)
        for kind, number in (cutoffs if cutoffs is not None else {"backfill": 60}).items()
        for at in range(len(prices) - 1 - number, len(prices) - 1)
        for step in range(1, horizon + 1)
        if at + step < len(prices)
    ]
    coming = [row("live", len(prices) - 1, step) for step in range(1, horizon + 1)]
    made = SeriesReport(
        name=name,
        source="sample",
        symbol=name,
        field="close",
        calendar="XNYS",
        currency="USD",
        historical=False,
        attribution="",
        prices=tuple(prices[-250:]),
        past=tuple(one for one in scored if one["kind"] != "backtest"),
        coming=tuple(coming),
        accuracy=tuple(accuracy_rows(scored)),
        calibration=tuple(calibration_rows(scored)),
        decisions=tuple(decision_rows(name, sessions)),
        backtest=tuple(one for one in scored if one["kind"] == "backtest"),
        skill=tuple(skill_rows(scored)),
        parts=tuple(map(part_row, coming)),
        gates=tuple(gate_row(name, step) for step in range(1, horizon + 1)),
    )
    return replace(made, **attributes)


def report_of(*series: SeriesReport, summary: RunSummary | None = SUMMARY) -> Report:
    """A report made at a fixed moment."""
    return Report(
        made_at=datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
        database="/home/ada/prices/forecaster.db",
        summary=summary,
        series=series or (series_report(),),
        version="0.1.0",
    )
