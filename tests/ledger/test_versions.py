"""Which model version a night uses: the newest accepted one, or the one that the user holds."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from forecaster.errors import ConfigError
from forecaster.ledger import Ledger, ModelVersion, Series
from forecaster.ledger.backtests import start_backtest
from forecaster.ledger.history import read_view
from forecaster.ledger.instruments import pin, read_series
from forecaster.ledger.knowledge import read_knowledge
from forecaster.ledger.panels import read_panels, store_panel

from .small import (
    NOW,
    STAMP,
    add_series,
    backfill,
    backtest,
    bars,
    contents,
    day,
    live,
    model,
    quote,
    quoted,
    store,
    walk,
    worked,
)


def refitted(ledger: Ledger, night: Any, one: Series, number: int, **rejected: Any) -> None:
    """Store a night that used a new model, or, with an incumbent loss, rejected it."""
    new = replace(model(number, f"f{number}"), **rejected)
    result = worked(ledger, night, one)
    if rejected:
        store(ledger, night, replace(result, rejected=replace(new, status="rejected")))
    else:
        store(ledger, night, replace(result, model=new))


def cutoff_and_id(found: ModelVersion | None) -> tuple[Any, Any] | None:
    """Return what tells a version from others."""
    return found and (found.cutoff, found.id)


def test_a_rejected_version_is_stored_and_never_used(ledger: Ledger) -> None:
    """The incumbent stays in use; the attempt is known by its cutoff and fingerprint."""
    [one] = add_series(ledger, "a")
    refitted(ledger, live(0), one, 0)
    refitted(ledger, live(2), one, 2, incumbent_loss=0.25, data_sha256="abc")
    known = read_knowledge(ledger, [one.id], live(3))[one.id]
    assert cutoff_and_id(known.model) == (day(0), 1)
    assert known.attempt == (day(2), "f2")
    early = read_knowledge(ledger, [one.id], backfill(1))[one.id]
    assert early.attempt == (day(0), "f0")
    rows = read_view(ledger, "model_history", order=("model_id",)).as_dicts()
    assert [(row["status"], row["incumbent_loss"], row["data_sha256"]) for row in rows] == [
        ("accepted", None, ""), ("rejected", 0.25, "abc"),
    ]  # fmt: skip
    history = read_view(ledger, "forecast_history").as_dicts()
    decisions = read_view(ledger, "decision_history").as_dicts()
    assert {row["model_id"] for row in (*history, *decisions)} == {1}


def test_a_refit_may_be_accepted_after_one_was_not(ledger: Ledger) -> None:
    """Of several attempts the newest counts as the attempt, the newest accepted one is used."""
    [one] = add_series(ledger, "a")
    refitted(ledger, live(0), one, 0)
    refitted(ledger, live(1), one, 1, incumbent_loss=0.25)
    refitted(ledger, live(2), one, 2)
    known = read_knowledge(ledger, [one.id], live(3))[one.id]
    assert known.model
    assert (known.model.cutoff, known.attempt) == (day(2), (day(2), "f2"))


def test_a_first_version_may_be_rejected_by_nobody_but_counts_as_attempt(ledger: Ledger) -> None:
    """Where all versions are rejected there is no model, and still an attempt."""
    [one] = add_series(ledger, "a")
    result = replace(worked(ledger, live(0), one), model=None)
    rejected = replace(model(0), status="rejected", incumbent_loss=0.1)
    store(ledger, live(0), replace(result, rejected=rejected))
    known = read_knowledge(ledger, [one.id], live(1))[one.id]
    assert (known.model, known.attempt, known.pinned) == (None, (day(0), "f"), False)


def test_a_new_model_and_a_rejected_one_are_told_apart(ledger: Ledger) -> None:
    """In one chunk, forecasts are of the accepted version, whatever the order of ids."""
    one, two = add_series(ledger, "a", "b")
    results = [
        replace(
            worked(ledger, live(3), it),
            model=model(3, "good", b"good"),
            rejected=replace(model(2, "bad", b"bad"), status="rejected"),
        )
        for it in (one, two)
    ]
    store(ledger, live(3), *results)
    models = {row["model_id"]: row for row in read_view(ledger, "model_history").as_dicts()}
    for row in read_view(ledger, "forecast_history").as_dicts():
        used = models[row["model_id"]]
        assert (used["series"], used["fingerprint"]) == (row["series"], "good")
    assert len(models) == 4


def test_a_series_is_held_to_the_pinned_version(ledger: Ledger) -> None:
    """Newer ones are not used until it is let go; a night before its cutoff knows nothing of it."""
    [one] = add_series(ledger, "a")
    for number in (2, 4, 6):
        refitted(ledger, live(number), one, number)
    assert pin(ledger, "a", 2)
    assert read_series(ledger)["a"].pinned_model_id == 2
    found = {
        number: read_knowledge(ledger, [one.id], backfill(number))[one.id]
        for number in (1, 3, 5, 7)
    }
    assert {number: (cutoff_and_id(it.model), it.pinned) for number, it in found.items()} == {
        1: (None, False), 3: ((day(2), 1), False), 5: ((day(4), 2), True), 7: ((day(4), 2), True),
    }  # fmt: skip
    assert found[7].attempt == (day(6), "f6")
    rows = read_view(ledger, "model_history", order=("model_id",)).as_dicts()
    assert [row["pinned"] for row in rows] == [0, 1, 0]
    assert pin(ledger, "a", None)
    known = read_knowledge(ledger, [one.id], live(7))[one.id]
    assert (cutoff_and_id(known.model), known.pinned) == ((day(6), 3), False)


def test_only_a_models_own_series_can_be_held_to_it(ledger: Ledger) -> None:
    """Another series' version, a backtest's, a rejected one, a panel and none are refused."""
    one, two = add_series(ledger, "a", "b")
    refitted(ledger, live(0), one, 0)
    refitted(ledger, live(1), one, 1, incumbent_loss=0.1)
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    refitted(ledger, backtest(0, trial), two, 0)
    panel = store_panel(ledger, model(0), backtest_id=None, stamp=STAMP)
    before = contents(ledger)
    assert not pin(ledger, "nobody", 1)
    for name, id_, code in (
        ("b", 1, "foreign_model"), ("a", 99, "unknown_model"), ("a", 2, "rejected_model"),
        ("b", 3, "backtest_model"), ("a", panel, "panel_model"),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            pin(ledger, name, id_)
        assert caught.value.code == code
        assert "models list" in caught.value.remedy
    assert contents(ledger) == before


def test_a_backtest_is_not_held(ledger: Ledger) -> None:
    """A backtest trains its own models, whatever is pinned for the nights."""
    [one] = add_series(ledger, "a")
    refitted(ledger, live(0), one, 0)
    pin(ledger, "a", 1)
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    known = read_knowledge(ledger, [one.id], backtest(5, trial))[one.id]
    assert (known.model, known.pinned) == (None, False)


def test_bars_revised_since_the_model_was_stored_are_counted(ledger: Ledger) -> None:
    """By session, however often each was revised, up to the night, and not from before."""
    one, two = add_series(ledger, "a", "b")

    def revise(minute: int, symbol: str, *numbers: int) -> None:
        closes = [100.0 + k + (0.25 * (minute + 2) if k in numbers else 0.0) for k in range(10)]
        now = NOW + timedelta(minutes=minute)
        quote(ledger, quoted(symbol), bars(closes), now=now)

    revise(-1, "A", 1)
    walk(ledger, [live(8)], one, two)
    assert read_knowledge(ledger, [one.id], live(9))[one.id].revised_bars == 0
    revise(1, "A", 1, 3, 4)
    revise(2, "A", 1, 3, 4)
    revise(3, "B", 9)
    found = {
        number: [read_knowledge(ledger, [one.id, two.id], live(number))[it.id].revised_bars
                 for it in (one, two)]
        for number in (8, 9)
    }  # fmt: skip
    assert found == {8: [3, 0], 9: [3, 1]}


def test_a_panel_belongs_to_no_series(ledger: Ledger) -> None:
    """It is stored once, found by the nights after its cutoff, and by no backtest but its own."""
    one, two = add_series(ledger, "a", "b")
    trial = start_backtest(ledger, horizon=2, settings="{}", version="1", now=NOW)
    given = model(3, parameters=b"panel")
    id_ = store_panel(ledger, given, backtest_id=None, stamp=STAMP)
    assert (
        store_panel(ledger, replace(given, parameters=b"x"), backtest_id=None, stamp=STAMP) == id_
    )
    other = store_panel(ledger, given, backtest_id=trial, stamp=STAMP)
    later = store_panel(ledger, model(6), backtest_id=None, stamp=STAMP)
    stored = replace(given, id=id_, created_at=NOW)
    assert read_panels(ledger, None) == [stored, replace(model(6), id=later, created_at=NOW)]
    assert [it.id for it in read_panels(ledger, trial)] == [other]
    found = {
        number: read_knowledge(ledger, [one.id, two.id], live(number)) for number in (3, 4, 6, 7)
    }
    used = {number: {cutoff_and_id(it.panel) for it in known.values()}
            for number, known in found.items()}  # fmt: skip
    assert used == {3: {None}, 4: {(day(3), id_)}, 6: {(day(3), id_)}, 7: {(day(6), later)}}
    assert read_knowledge(ledger, [one.id], live(7))[one.id].model is None
    known = read_knowledge(ledger, [one.id], backtest(4, trial))[one.id]
    assert cutoff_and_id(known.panel) == (day(3), other)
    rows = read_view(ledger, "model_history").as_dicts()
    assert [(row["series"], row["run_id"]) for row in rows] == [(None, None)] * 3


def test_a_panel_and_a_series_may_have_the_same_cell(ledger: Ledger) -> None:
    """Cutoff and fingerprint tell the versions of one series apart, and those of none."""
    [one] = add_series(ledger, "a")
    store_panel(ledger, model(0), backtest_id=None, stamp=STAMP)
    store(ledger, live(0), replace(worked(ledger, live(0), one), model=model(0)))
    assert len(contents(ledger)["model_version"]) == 2
