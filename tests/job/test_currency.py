"""Prices of another currency than before are not believed by themselves."""

from .project import FEED, Project, evening, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
POUNDS = 'calendar="XNYS", currency=(self.folder / "currency").read_text()'


def test_another_currency_is_held_until_it_is_accepted(project: Project) -> None:
    """Pence after pounds: the answer is held, and believed as a whole once somebody accepts it."""
    project.plugin("feed", FEED.replace('calendar="XNYS"', POUNDS))
    project.follow("A", source="feed", settings="[schedule]\ninitial_backfill = 0")
    closes = walk(len(DAYS))
    (project.folder / "currency").write_text("GBP")
    project.quote("A", DAYS, closes)
    project.run(evening(DAYS[-3]))
    (project.folder / "currency").write_text("GBp")
    project.quote("A", DAYS, [100 * close for close in closes])
    summary = project.run(evening(DAYS[-2]))
    assert summary.status == "deferred"
    assert "the prices were in GBP, and are in GBp now" in summary.problems[0]
    assert project.sql("SELECT currency FROM instrument") == [("GBP",)]
    assert project.sql("SELECT max(session) FROM bar") == [(str(DAYS[-3]),)]
    project.write("UPDATE instrument SET answer = 'trusted'")
    assert project.run(evening(DAYS[-2])).status == "done"
    assert project.sql("SELECT currency FROM instrument") == [("GBp",)]
    newest = project.sql("SELECT close FROM bar ORDER BY session, revision DESC LIMIT 1")
    assert newest == [(100 * closes[0],)]
