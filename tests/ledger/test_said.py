"""What was said on a night, with all that it was made of."""

from dataclasses import replace

from forecaster.ledger import Decision, Ledger, Outcome, Stamp
from forecaster.ledger.nights import commit
from forecaster.ledger.panels import store_panel
from forecaster.ledger.said import Fitted, nights_of_run, read_said

from .small import NOW, STAMP, add_series, backfill, day, live, model, said, store, worked


def test_all_parts_of_a_forecast_come_back(ledger: Ledger) -> None:
    """Forecasts, decision, model and panel are as they were stored, with their environments."""
    [one] = add_series(ledger, "a")
    elsewhere = Stamp(NOW, "0.9", '{"python": "3.12"}')
    panel = store_panel(ledger, model(1, "p", b"panel"), backtest_id=None, stamp=elsewhere)
    first = replace(worked(ledger, backfill(2), one), model=model(2, "m", b"network"))
    commit(ledger, backfill(2), [first], elsewhere, seconds=0.0, last=True)
    evidence = Decision(
        "reuse", "fresh", "it is 1 session old", "m", 1, 63, "m", '{"eta": 0.02, "gate": true}',
        new_bars=1, revised_bars=2, skill=-0.1, skill_t=0.5, spread_t=-2.5, coverage_error80=0.01,
        coverage_error95=-0.02, alarms="flat",
    )  # fmt: skip
    forecasts = tuple(
        said(horizon, 3, panel_id=panel, spread="panel", spread_reason="all is well", carried=1)
        for horizon in (1, 2)
    )
    result = replace(worked(ledger, live(3), one), decision=evidence, forecasts=forecasts)
    run_id = store(ledger, live(3), result)
    [id_] = nights_of_run(ledger, run_id)
    found = read_said(ledger, id_)
    assert found is not None
    assert (found.night, found.issued_at, found.environment) == (live(3), NOW, STAMP.environment)
    assert (found.forecasts, found.decision) == (forecasts, evidence)
    network = replace(model(2, "m", b"network"), id=2, created_at=NOW)
    assert found.fitted == Fitted(network, "backfill", day(2), elsewhere.environment)
    general = replace(model(1, "p", b"panel"), id=panel, created_at=NOW)
    assert found.panel == Fitted(general, None, None, elsewhere.environment)


def test_a_fallback_was_said_by_no_model(ledger: Ledger) -> None:
    """A fallback forecast comes back with its decision and without a model."""
    [one] = add_series(ledger, "a")
    result = replace(
        worked(ledger, live(0), one),
        outcome=Outcome("fallback", "training", "it did not converge"),
        model=None,
        forecasts=(said(1, 0, status="fallback"),),
    )
    store(ledger, live(0), result)
    found = read_said(ledger, 1)
    assert found is not None
    assert (found.fitted, found.panel, found.decision) == (None, None, result.decision)
    assert read_said(ledger, 99) is None


def test_a_forecast_without_a_panel_names_none(ledger: Ledger) -> None:
    """Most series' spread is their own."""
    [one] = add_series(ledger, "a")
    store(ledger, live(0), worked(ledger, live(0), one))
    found = read_said(ledger, 2)
    assert found is not None
    assert (found.panel, found.ids) == (None, (1, 2))
