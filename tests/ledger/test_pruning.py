"""What may be pruned: parameters that no night and no replay will ever ask for."""

from dataclasses import replace

from sqlalchemy import update

from forecaster.ledger import Ledger
from forecaster.ledger.check import check_ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.knowledge import read_knowledge
from forecaster.ledger.panels import read_panels, store_panel
from forecaster.ledger.pruning import prune, read_unneeded
from forecaster.ledger.schema import model_version
from forecaster.ledger.versions import Use, read_uses

from .small import STAMP, add_series, day, live, model, relearn, store, worked


def filled(ledger: Ledger) -> None:
    """Store for two series an accepted version, 1 and 2, and two rejected ones each; a panel."""
    several = add_series(ledger, "a", "b")
    for number in (0, 2, 4):
        for one in several:
            new = replace(model(number, f"f{number}", b"some parameters"), incumbent_loss=0.1)
            known = read_knowledge(ledger, [one.id], live(number))[one.id].model
            result = replace(worked(ledger, live(number), one), model=known or new)
            rejected = replace(new, status="rejected") if known else None
            store(ledger, live(number), replace(result, rejected=rejected))
    store_panel(ledger, model(0, "all"), backtest_id=None, stamp=STAMP)


def sizes(ledger: Ledger) -> dict[int, int]:
    """Return the bytes of each version's parameters."""
    rows = read_view(ledger, "model_history", order=("model_id",)).as_dicts()
    return {row["model_id"]: row["bytes"] for row in rows}


def test_only_rejected_parameters_go(ledger: Ledger) -> None:
    """What forecasts are made of stays, and panels, which a night of the past may use."""
    filled(ledger)
    before = sizes(ledger)
    rejected = {
        row["model_id"]
        for row in read_view(ledger, "model_history").as_dicts()
        if row["status"] == "rejected"
    }
    assert len(rejected) == 4
    found = read_unneeded(ledger)
    assert {one.model_id for one in found} == rejected
    assert {(one.series, one.cutoff) for one in found} == {
        (name, day(number)) for name in "ab" for number in (2, 4)
    }
    assert sizes(ledger) == before
    assert prune(ledger) == found
    after = sizes(ledger)
    assert {id_ for id_, size in after.items() if size == 0} == rejected
    assert {id_: after[id_] for id_ in after.keys() - rejected} == {
        id_: before[id_] for id_ in before.keys() - rejected
    }
    assert prune(ledger) == []
    assert [one.parameters for one in read_panels(ledger, None)] == [model(0, "all").parameters]


def test_the_newest_may_be_kept(ledger: Ledger) -> None:
    """`keep` counts the rejected versions of each series, from the newest on."""
    filled(ledger)
    assert {(one.series, one.cutoff) for one in read_unneeded(ledger, keep=1)} == {
        ("a", day(2)), ("b", day(2)),
    }  # fmt: skip
    assert read_unneeded(ledger, keep=2) == []


def test_a_pruned_ledger_is_whole_and_a_damaged_one_is_not(ledger: Ledger) -> None:
    """`db check` misses no parameters that were pruned, and any others that are not there."""
    filled(ledger)
    prune(ledger)
    assert all(one.ok for one in check_ledger(ledger, relearn))
    with ledger.writing() as connection:
        rows = update(model_version).where(model_version.c.id == 1)
        connection.execute(rows.values(parameters=b""))
    wrong = {one.name: one.detail for one in check_ledger(ledger, relearn) if not one.ok}
    assert wrong == {"model parameters": "1 wrong, first: model 1"}


def test_a_version_knows_its_forecasts(ledger: Ledger) -> None:
    """By kind, with the first and the last cutoff; a rejected one has none."""
    filled(ledger)
    [first] = read_view(ledger, "model_history", where={"model_id": 1}).as_dicts()
    uses = read_uses(ledger, 1)
    rows = read_view(ledger, "forecast_history", where={"model_id": 1}).as_dicts()
    assert first["status"] == "accepted"
    assert uses == [Use("live", len(rows), day(0), day(4))]
    rejected = read_unneeded(ledger)[0].model_id
    assert read_uses(ledger, rejected) == []
