"""What the tests of whole daemons share, for it takes seconds to make."""

from collections.abc import Iterator

import pytest

from .markets import Nursery, Templates, grow


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Return a process that starts others."""
    one = Nursery()
    yield one
    one.close()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Return folders to begin with."""
    found = grow(tmp_path_factory.mktemp("templates"))
    assert len(found.cells["worked"]) == 56
    return found
