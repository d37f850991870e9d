"""The documents hang together."""

import re
from pathlib import Path

import pytest

from .documents import DOCUMENTS, ROOT, anchors, blocks, prose


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_resolves(path: Path) -> None:
    """A link within the project leads to a file, and its anchor to a heading there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.is_relative_to(ROOT), f"{target} leads out of the project"
        assert found.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(found), f"{target}: no such heading"


def test_a_heading_that_is_not_there_is_noticed() -> None:
    """The check of anchors knows headings from text."""
    found = anchors(ROOT / "docs/how-it-works.md")
    assert {"how-it-works", "pull", "what-a-kill-leaves"} <= found
    assert "not-there" not in found


def test_the_index_leads_to_every_document() -> None:
    """Nothing in docs/ is out of reach of the map."""
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "index.md" or f"({path.name})" in index


def test_the_readme_begins_with_two_commands() -> None:
    """A newcomer reads exactly `make run` and `make test`, and reads little."""
    assert blocks("", "README.md")[0].text == "make run\nmake test\n"
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_links_every_stage() -> None:
    """The line of stages in the README is that of run.py, each with its explanation."""
    code = (ROOT / "forecaster/job/run.py").read_text(encoding="utf-8")
    line = next(line for line in code.splitlines() if line.startswith("    pull ->"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    stages = re.findall(r"\[(\w+)\]\(docs/how-it-works.md#(\w+)\)", readme)
    assert [name for name, _ in stages] == line.split()[::2]
    assert all(name == anchor for name, anchor in stages)
    assert line.strip() in (ROOT / "docs/how-it-works.md").read_text(encoding="utf-8")
