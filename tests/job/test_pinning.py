"""A series that is held to a model is not retrained, and is let go on demand."""

from pathlib import Path

import pytest

from forecaster.errors import ConfigError
from forecaster.job.pinning import pin_model

from .project import evening
from .venue import BRIEF, DAYS, Venue, nights

TODAY = len(DAYS)
DECISION = (
    "SELECT verdict, reason_code, reason, model_id FROM decision_history "
    "ORDER BY decision_id DESC LIMIT 1"
)


@pytest.fixture
def venue(tmp_path: Path) -> Venue:
    """Return a project whose model is refitted each night, after its first."""
    venue = Venue(tmp_path)
    venue.trade("A", TODAY)
    venue.follow("A", source="venue", settings=f'{BRIEF}\n[retrain]\nevery = "always"')
    assert venue.run(evening(DAYS[-1])).trained == 1
    return venue


def hold(venue: Venue, model_id: int | None, name: str = "A") -> None:
    """Pin a model."""
    with venue.job() as job:
        pin_model(job.settings, job.ledger, name, model_id)


def test_a_pinned_model_is_reused_until_it_is_let_go(venue: Venue) -> None:
    """The decision says why; afterwards the age decides again."""
    for k, session, tonight in nights(3):
        venue.trade("A", k)
        hold(venue, None if k == TODAY + 3 else 1)
        assert venue.run(tonight).status == "done"
        [(verdict, code, reason, model_id)] = venue.sql(DECISION)
        if k < TODAY + 3:
            assert (verdict, code, model_id) == ("reuse", "pinned", 1)
            assert reason == f"the model of {DAYS[-1]} is pinned"
        else:
            assert code in ("age", "rejected")
        assert venue.sql("SELECT count(*) FROM forecast WHERE cutoff = ?", str(session)) == [(3,)]


def test_settings_that_change_under_a_pinned_model_fail_its_nights(venue: Venue) -> None:
    """No forecast mixes the model of some settings with others: the night says what to do."""
    hold(venue, 1)
    config = (venue.folder / "config.toml").read_text()
    venue.configure(config.replace("horizon = 3", "horizon = 2"))
    k, _session, tonight = next(nights(1))
    venue.trade("A", k)
    summary = venue.run(tonight)
    assert summary.status == "failed"
    [problem] = summary.problems
    assert "horizon 3 to 2" in problem
    assert "forecaster models unpin A" in problem
    hold(venue, None)
    assert venue.run(tonight).status == "done"
    assert venue.sql("SELECT count(*) FROM forecast") == [(3 + 2,)]


def test_a_series_that_is_not_there_cannot_be_held(venue: Venue) -> None:
    """Neither one that is not configured, nor one that the ledger does not know yet."""
    with pytest.raises(ConfigError, match="no series 'B' is configured"):
        hold(venue, 1, "B")
    venue.trade("B", TODAY, seed=1)
    venue.follow("A", "B", source="venue", settings=BRIEF)
    with pytest.raises(ConfigError, match="the ledger has no series 'B'"):
        hold(venue, None, "B")
