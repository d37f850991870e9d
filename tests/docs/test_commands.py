"""Every command line in the documents is one that the program takes."""

import shlex

import click
import pytest

from forecaster.cli import cli

from .documents import ROOT, Block, blocks, reference


def command_lines() -> list[tuple[Block, str]]:
    """Return the documented command lines of this program."""
    return [
        (block, line)
        for block in blocks("sh")
        for line in block.text.splitlines()
        if line.startswith("forecaster ") and not line.endswith("[ARGS]")
    ]


def parse(line: str) -> click.Context:
    """Parse a command line as the program does, and return its last command's; run nothing."""
    words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        context = click.Context(command)
        _, words, _ = command.make_parser(context).parse_args(words)
        _, found, words = command.resolve_command(context, words)
        assert found
        command = found
    return command.make_context("forecaster", words)


@pytest.mark.parametrize(("block", "line"), command_lines(), ids=str)
def test_every_command_line_parses(block: Block, line: str) -> None:
    """Command, arguments and options exist and take these values, down to what can be run."""
    assert parse(line).command.callback is not None


@pytest.mark.parametrize(
    "line", ["forecaster rum", "forecaster run --fast", "forecaster backtest --cutoffs many"]
)
def test_a_command_line_that_is_wrong_is_noticed(line: str) -> None:
    """The check of command lines knows commands, options and values."""
    with pytest.raises(click.UsageError):
        parse(line)


def test_commands_are_documented_and_nothing_else() -> None:
    """Each command has its heading, and each heading a command."""
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    documented = [
        line.split("`")[1] for line in text.splitlines() if line.startswith("#") and "`" in line
    ]
    commands = [" ".join(("forecaster", *path)) for path, _ in reference().every_command(cli)]
    assert documented == commands
    assert len(commands) > 25


def test_every_option_is_documented() -> None:
    """The section of each command has a row for each of its options."""
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    for path, command in reference().every_command(cli):
        name = " ".join(("forecaster", *path))
        part = text.split(f"# `{name}`\n", 1)[1].split("\n#", 1)[0]
        rows = [line for line in part.splitlines() if line.startswith("| `-")]
        options = [each for each in command.params if isinstance(each, click.Option)]
        assert len(rows) == len(options), name
        for option, row in zip(options, rows, strict=True):
            assert all(f"`{each}`" in row.split("|")[1] for each in option.opts), name
