"""What the tests of whole daemons share, for it takes seconds to make."""

from collections.abc import Iterator

import pytest

from forecaster.ledger import engine

from .markets import Templates
from .nursery import Nursery


@pytest.fixture(scope="session")
def _nursery() -> Iterator[Nursery]:
    """Return a process that starts others."""
    one = Nursery()
    yield one
    one.close()


@pytest.fixture
def nursery(_nursery: Nursery) -> Iterator[Nursery]:
    """Return a process that starts others; none of them outlives the test."""
    yield _nursery
    _nursery.sweep()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Return folders to begin with."""
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk, where what survives a power cut is not the question."""
    monkeypatch.setattr(engine, "PRAGMAS", (*engine.PRAGMAS, "synchronous=OFF"))
