"""A lock that is lost while it is held: its file is removed, or its connection is ended."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from forecaster.errors import LedgerError
from forecaster.ledger.advisory import AdvisoryLock
from forecaster.ledger.claim import claim, holder
from forecaster.ledger.engine import parse_url
from forecaster.ledger.locks import FileLock, Holder, Lock, sqlite_file

ME = Holder(os.getpid(), "here", "2026-11-20T23:00:00", "daemon")

END = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name LIKE 'forecaster daemon %' AND pg_terminate_backend(pid, 10000)"
)
"""Ends the connections of who holds a daemon's lock, and waits until they are gone."""


def lock_file(url: str) -> Path:
    """Return the file on which a daemon has its lock."""
    database = sqlite_file(parse_url(url))
    assert database is not None
    return database.with_name(f"{database.name}.daemon.lock")


def lose(url: str) -> None:
    """Take a daemon's lock away from whoever has it, as an administrator might."""
    if url.startswith("sqlite"):
        lock_file(url).unlink()
        return
    engine = create_engine(parse_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        assert connection.scalar(END) == 1


def replace(url: str) -> None:
    """Put another file where a daemon's lock was."""
    other = lock_file(url).with_suffix(".other")
    other.touch()
    other.replace(lock_file(url))


def opened(url: str) -> Lock:
    """Return a daemon's lock, which is not taken."""
    if url.startswith("sqlite"):
        return FileLock(lock_file(url), Path(url.removeprefix("sqlite:///")), create=True)
    return AdvisoryLock(parse_url(url), "daemon")


def refused(url: str) -> LedgerError:
    """Return why a daemon's lock cannot be had."""
    with pytest.raises(LedgerError) as caught, claim(url, "daemon", what="daemon", wait=False):
        pass
    return caught.value


def test_a_lock_that_was_lost_is_not_held(blank_url: str) -> None:
    """It is from when it is taken until it is lost; one that is closed is not, either."""
    with closing(opened(blank_url)) as lock:
        assert lock.take(ME)
        assert lock.is_held()
        lose(blank_url)
        assert not lock.is_held()
    assert not lock.is_held()


def test_a_lock_that_somebody_else_has_is_not_held(postgresql: object) -> None:
    """A connection that is well says nothing yet: the lock may be another one's."""
    url = postgresql.create()  # type: ignore[attr-defined]
    with closing(opened(url)) as mine, closing(opened(url)) as theirs:
        assert theirs.take(ME)
        assert not mine.is_held()
        assert theirs.is_held()


def test_a_lock_that_is_held_stays_as_it_is(blank_url: str) -> None:
    """Whoever looks every minute whether it is still theirs never lets go of it meanwhile."""
    with claim(blank_url, "daemon", what="daemon", wait=False) as mine:
        before = mine._lock
        for _ in range(3):
            mine.renew()
        assert mine._lock is before
        assert refused(blank_url).code == "busy"
    assert holder(blank_url, "daemon") is None


def test_a_database_in_memory_has_nothing_to_renew() -> None:
    """There is no lock to lose."""
    with claim("sqlite://", "daemon", what="daemon", wait=False) as mine:
        mine.renew()
        assert mine._lock is None


def renews(url: str, taken_away: Callable[[str], None]) -> None:
    """Demand that a lock that was taken away is had again, and is given back in the end."""
    with claim(url, "daemon", what="daemon", wait=False) as mine:
        taken_away(url)
        mine.renew()
        error = refused(url)
        assert error.code == "busy"
        assert f"already: process {os.getpid()} on " in error.message
        taken_away(url)
        mine.renew()
        assert refused(url).code == "busy"
    assert holder(url, "daemon") is None


def test_a_lock_that_was_lost_is_taken_again(blank_url: str) -> None:
    """Where nobody else has it, it is had as before: the next one is turned away, and told by whom.

    However often that happens.
    """
    assert holder(blank_url, "daemon") is None
    renews(blank_url, lose)


def test_a_file_that_was_replaced_is_locked_instead(tmp_path: Path) -> None:
    """What is locked is what others find there, and not what was there once."""
    url = f"sqlite:///{tmp_path / 'a.db'}"
    renews(url, replace)
    assert lock_file(url).exists()


def test_a_lock_that_somebody_else_has_by_now_is_refused(blank_url: str) -> None:
    """It is said who has it, each time it is looked for, until the other one gives it back."""
    with claim(blank_url, "daemon", what="daemon", wait=False) as mine:
        lose(blank_url)
        with claim(blank_url, "daemon", what="another", wait=False):
            for _ in range(2):
                with pytest.raises(LedgerError, match="a daemon runs on database") as caught:
                    mine.renew()
                assert caught.value.code == "busy"
                assert "(another, since " in caught.value.message
            found = holder(blank_url, "daemon")
            assert found is not None
            assert found.what == "another"
        mine.renew()
        assert refused(blank_url).code == "busy"
    assert holder(blank_url, "daemon") is None


def test_a_server_that_is_gone_is_one_line(postgresql: object) -> None:
    """A database that is not there any more is said; the lock is nobody's."""
    url = postgresql.create()  # type: ignore[attr-defined]
    with claim(url, "daemon", what="daemon", wait=False) as mine:
        postgresql.do(f"DROP DATABASE {parse_url(url).database} WITH (FORCE)")  # type: ignore[attr-defined]
        for _ in range(2):
            with pytest.raises(LedgerError, match="does not exist") as caught:
                mine.renew()
            assert caught.value.code == "database"
