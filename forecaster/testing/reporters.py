"""What a reporter promises, tried out with reports that are awkward to tell."""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from forecaster import __version__
from forecaster.hooks import Report, Reporter, RunSummary, SeriesReport

# What a name, a message or an attribution may hold, and no reporter may stumble over or pass on.
HOSTILE = (
    "<script>alert(1)</script>", "=HYPERLINK(\"http://x\")", "'; DROP TABLE forecast; --",
    "../../etc/passwd", "[bold]x[/nope]", "{{ 7 * 7 }}", "a\nb\r\0c\x1b[31m", "\u202eevil",
    "é€漢🙂", "", "x" * 5000,
)  # fmt: skip
MADE_AT = datetime(2024, 3, 1, 22, 30, tzinfo=UTC)
LAST = date(2024, 3, 1)


def check_reporter(reporter: Reporter) -> None:
    """Try out all that a reporter promises; see `forecaster.hooks.Reporter`.

    It tells reports without a run, without series, without forecasts or outcomes, with hostile
    names and messages, and the same one twice; it returns None or what it wrote, which is there;
    and it changes nothing of what it is given.

    Args:
        reporter: made with options under which it may write, print and send.

    Raises:
        AssertionError: in one sentence, the first promise that is not kept.
    """
    name: object = getattr(reporter, "name", None)
    if not (isinstance(name, str) and name.strip()):
        raise AssertionError(f"the reporter's name is {name!r} and must be a word")
    plain = Report(MADE_AT, "sqlite:///x.db", _summary("done"), (_series("IBM"),), __version__)
    for what, report in (
        ("a report", plain),
        ("the same report again", plain),
        ("a report without a run", replace(plain, summary=None)),
        ("a report without series", replace(plain, series=())),
        ("a report of series without forecasts", replace(plain, series=(_empty("IBM"),))),
        ("a report of a failed run", replace(plain, summary=_summary("failed", HOSTILE))),
        ("hostile names", _hostile(plain)),
    ):
        _check_report(reporter, report, f"reporter {name!r}, {what}")


def _check_report(reporter: Reporter, report: Report, who: str) -> None:
    before = repr(astuple(report))
    try:
        written: object = reporter.report(report)
    except (Exception, SystemExit) as error:
        message = " ".join(str(error).split())[:200]
        raise AssertionError(f"{who}: report raises {type(error).__name__}: {message}") from error
    if written is not None and not isinstance(written, Path):
        raise AssertionError(f"{who}: report returns {str(written)[:80]!r} and no Path")
    if written is not None and not written.exists():
        raise AssertionError(f"{who}: report returns {written}, which is not there")
    if repr(astuple(report)) != before:
        raise AssertionError(f"{who}: the report was changed")


def _hostile(plain: Report) -> Report:
    series = tuple(replace(_series(text), attribution=text, currency=text[:8]) for text in HOSTILE)
    summary = replace(_summary("degraded", HOSTILE), alerts=HOSTILE)
    return replace(plain, series=series, summary=summary, database=HOSTILE[0])


def _summary(status: str, problems: tuple[str, ...] = ()) -> RunSummary:
    return RunSummary("live", status, 1, 5, 1, 0, 5, 5, 1.5, False, problems)


def _empty(name: str) -> SeriesReport:
    return SeriesReport(
        name, "sample", name, "close", "XNYS", None, False, "", (), (), (), (), (), (), ()
    )


def _series(name: str) -> SeriesReport:
    sessions = [LAST - timedelta(days=k) for k in range(9, -1, -1)]
    return replace(
        _empty(name),
        currency="USD",
        attribution="somebody",
        prices=tuple((str(day), 100.0 + k) for k, day in enumerate(sessions)),
        past=tuple(_forecast(name, day, 1, actual=101.0 + k) for k, day in enumerate(sessions[:9])),
        coming=tuple(_forecast(name, LAST, horizon) for horizon in range(1, 6)),
        accuracy=(_accuracy(name),),
        calibration=tuple(_calibration(name, level) for level in (0.8, 0.95)),
        decisions=(
            {"decision_id": 1, "run_id": 1, "kind": "live", "series": name, "session": str(LAST),
             "verdict": "retrain", "reason_code": "first", "reason": name, "model_id": 1,
             "age_sessions": None, "allowed_age": None, "fingerprint": name,
             "model_fingerprint": None, "intervals": "{}", "decided_at": MADE_AT.isoformat(),
             "new_bars": None, "revised_bars": None, "skill": None, "skill_t": None,
             "spread_t": None, "coverage_error80": None, "coverage_error95": None,
             "alarms": name},
        ),
        held=(_held(name),),
        alerts=(
            {"source": "sample", "symbol": name, "session": str(LAST), "code": "revision",
             "message": name, "raised_at": MADE_AT.isoformat()},
        ),
        skill=(
            {"series": name, "kind": "live", "horizon": 1, "n": 9, "skill_mae": 0.09,
             "skill_rmse": None, "t": 0.3, "verdict": "not better than the last price"},
        ),
        parts=tuple(_part(name, horizon) for horizon in range(1, 6)),
        gates=tuple(_gate(name, head) for head in ("mean", "spread")),
    )  # fmt: skip


def _forecast(
    name: str, cutoff: date, horizon: int, *, actual: float | None = None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "forecast_id": horizon, "run_id": 1, "kind": "live", "series": name, "source": "sample",
        "symbol": name, "field": "close", "cutoff": str(cutoff), "horizon": horizon,
        "target_session": str(cutoff + timedelta(days=horizon)), "issued_at": MADE_AT.isoformat(),
        "model_id": 1, "status": "ok", "forecast": 100.5, "lo80": 99.0, "hi80": 102.0,
        "lo95": 98.0, "hi95": 103.0, "baseline": 100.0,
    }  # fmt: skip
    if actual is None:
        return row
    return row | {
        "actual": actual, "error": 100.5 - actual, "abs_error": abs(100.5 - actual),
        "baseline_abs_error": abs(100.0 - actual), "inside80": 1, "inside95": 1,
        "scored_at": MADE_AT.isoformat(),
    }  # fmt: skip


def _part(name: str, horizon: int) -> dict[str, Any]:
    fallback = horizon == 5
    return {
        "forecast_id": horizon, "series": name, "kind": "live", "backtest_id": None,
        "cutoff": str(LAST), "horizon": horizon, "model_id": None if fallback else 1,
        "baseline": 100.0, "forecast": 100.5, "unit": None if fallback else 0.01,
        "network_move": None if fallback else 0.5, "gate_weight": 0.0 if fallback else 0.4,
        "spread": "ewma", "spread_order": "linear > ewma", "spread_reason": name, "scale": 0.01,
        "head_scale": None, "ewma_scale": 0.01, "panel_id": None, "quantile80": 1.1,
        "quantile95": 2.0, "actual_move": None, "eta": None,
    }  # fmt: skip


def _gate(name: str, head: str) -> dict[str, Any]:
    return {
        "series": name, "backtest_id": None, "head": head, "horizon": 1, "weight": 0.4, "t": 1.7,
        "n": 44.0, "skill": None, "gain": 1.0, "power": 1.0, "noise": 1.0, "size": 1.0,
        "outcomes": 48, "last_cutoff": str(LAST),
    }  # fmt: skip


def _accuracy(name: str) -> dict[str, Any]:
    return {
        "series": name, "kind": "live", "horizon": 1, "n": 9, "mae": 1.0, "rmse": 1.2,
        "baseline_mae": 1.1, "baseline_rmse": 1.3, "skill_mae": 0.09, "skill_rmse": 0.08,
        "bias": None,
    }  # fmt: skip


def _held(name: str) -> dict[str, Any]:
    return {
        "source": "sample", "symbol": name, "session": str(LAST), "what": "bar",
        "reason_code": "jump", "reason": name, "open": None, "high": None, "low": None,
        "close": 50.0, "volume": None, "split": None, "dividend": None,
        "first_seen_at": MADE_AT.isoformat(), "last_seen_at": MADE_AT.isoformat(),
        "resolved_at": None, "resolution": None,
    }  # fmt: skip


def _calibration(name: str, level: float) -> dict[str, Any]:
    return {
        "series": name, "kind": "live", "horizon": 1, "level": level, "n": 9, "covered": 8,
        "coverage": 8 / 9, "mean_width": 3.0,
    }  # fmt: skip
