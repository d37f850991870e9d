"""docs/configuration.md says what the settings are, and its snippets load."""

import re
import tomllib
from pathlib import Path

import pytest

from forecaster.config import ModelSettings, load_settings
from forecaster.model import bars_needed

from .documents import ROOT, Block, blocks, reference

CONFIGURATION = ROOT / "docs/configuration.md"
SNIPPETS = [block for block in blocks("toml") if not block.text.startswith("[project")]


@pytest.mark.parametrize("name", reference().GENERATED)
def test_generated_parts_are_up_to_date(name: str) -> None:
    """`python docs/reference.py` would change nothing."""
    module = reference()
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert module.regenerated(text, module.GENERATED[name]) == text


def test_a_stale_reference_is_noticed() -> None:
    """A default that is not the program's is found; so is a lost marker."""
    module = reference()
    text = CONFIGURATION.read_text(encoding="utf-8")
    parts = module.GENERATED["configuration.md"]
    stale = text.replace("| `epochs` | `12` |", "| `epochs` | `13` |")
    assert stale != text
    assert module.regenerated(stale, parts) == text
    with pytest.raises(ValueError, match="must stand in the document once"):
        module.regenerated(text.replace("<!-- end: tables -->", ""), parts)


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_every_snippet_loads(block: Block, tmp_path: Path) -> None:
    """A documented configuration is a whole one, and right."""
    (tmp_path / "symbols.txt").write_text("AAPL\nIBM  # a comment\n", encoding="utf-8")
    (tmp_path / "config.toml").write_text(block.text, encoding="utf-8")
    assert load_settings(tmp_path / "config.toml", environ={}).each_series()


def test_every_toml_block_is_toml() -> None:
    """Snippets for other files are right too."""
    assert all(tomllib.loads(block.text) for block in blocks("toml"))


def test_every_environment_variable_overrides_what_it_says(tmp_path: Path) -> None:
    """Each row of the table of variables sets the key that it names."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(FORECASTER_\w+)=(\S+)` \| `\[([\w.]+)\] (\w+)` \|", text, re.MULTILINE
    )
    assert len(rows) == 6
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    settings = load_settings(
        tmp_path / "config.toml", environ={name: value for name, value, _, _ in rows}
    )
    for _, value, table, key in rows:
        found = settings.model_dump()
        for part in (*table.split("."), key):
            found = found[part]
        assert str(found) == value


def test_the_number_of_bars_needed_is_right() -> None:
    """The document works out how many bars the default settings need."""
    words = f"{bars_needed(ModelSettings())} bars with the defaults"
    assert words in CONFIGURATION.read_text(encoding="utf-8")


def test_the_shipped_examples_load() -> None:
    """config.toml and examples/article.toml are right."""
    for path in (ROOT / "config.toml", ROOT / "examples/article.toml"):
        assert load_settings(path, environ={}).each_series(), path
