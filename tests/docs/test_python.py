"""Python in the documents runs."""

import pytest

from .documents import Block, blocks

STANDALONE = [
    block
    for block in blocks("python")
    if not block.text.startswith("# plugins/") and "yfinance" not in block.text
]


@pytest.mark.parametrize("block", STANDALONE, ids=str)
def test_every_python_block_runs(block: Block) -> None:
    """A block is a program of its own."""
    made: dict[str, object] = {"__name__": "__main__"}
    exec(compile(block.text, block.where, "exec"), made)
    assert len(made) > len({"__name__", "__builtins__"}), "nothing is made or imported"


def test_no_block_is_of_a_language_that_nothing_checks() -> None:
    """Code is Python, SQL, TOML or commands; anything else is marked as text."""
    assert {block.language for block in blocks()} == {"python", "sql", "toml", "sh", "text", ""}


def test_a_broken_block_is_noticed() -> None:
    """A block that raises fails its test."""
    with pytest.raises(ZeroDivisionError):
        test_every_python_block_runs(Block("here", "python", (), "1 / 0"))
