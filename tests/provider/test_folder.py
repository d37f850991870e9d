"""The folder in which yfinance keeps its cookies."""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from forecaster.plugins.yahoo import YahooSource
from forecaster.plugins.yahoo.folder import _temporary, open_files, private_folder

from forecaster.errors import SourceError

from .listings import Listing, prices
from .server import YahooServer

QUICK = {"tries": 1, "interval": 0.0}


@pytest.fixture(autouse=True)
def ready(server: YahooServer) -> Iterator[None]:
    """List a symbol, and leave yfinance's files where they are by default."""
    server.list(Listing("X", prices(5)))
    yield
    open_files(_temporary(), anew=True)


def fetch(folder: Path) -> int:
    """Fetch with files in `folder`; return how many bars there are."""
    source = YahooSource({**QUICK, "cache": "cache"}, folder)
    return len(source.fetch("X", None, None).bars)


def refused(folder: Path) -> SourceError:
    """Fetch and return the error."""
    with pytest.raises(SourceError) as caught:
        fetch(folder)
    assert "\n" not in str(caught.value)
    return caught.value


class TestPrivate:
    def test_made_private(self, tmp_path: Path) -> None:
        """The folder that yfinance unpickles cookies from is its own and closed to others."""
        assert fetch(tmp_path) == 5
        own = tmp_path / "cache" / "yfinance"
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        assert "cookies.db" in {file.name for file in own.iterdir()}

    def test_used_again(self, tmp_path: Path) -> None:
        """A folder of the same user is used again."""
        assert (fetch(tmp_path), fetch(tmp_path)) == (5, 5)

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o777, 0o701])
    def test_open_to_others(self, server: YahooServer, tmp_path: Path, mode: int) -> None:
        """A folder that others can read or write is not used."""
        own = tmp_path / "cache" / "yfinance"
        own.mkdir(parents=True)
        own.chmod(mode)
        error = refused(tmp_path)
        assert "open to others" in str(error)
        assert (error.code, server.asked) == ("cache", [])

    def test_a_link(self, server: YahooServer, tmp_path: Path) -> None:
        """A link to a private folder is still somebody's choice, and refused."""
        (tmp_path / "cache").mkdir()
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / "cache" / "yfinance").symlink_to(tmp_path / "elsewhere")
        assert "link" in str(refused(tmp_path))
        assert server.asked == []

    def test_somebody_else_s(
        self, server: YahooServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder of another user's is refused."""
        fetch(tmp_path)
        mine = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
        assert "belongs to somebody else" in str(refused(tmp_path))
        assert len(server.asked) == 1

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        """A file where the folder should be is said to be one."""
        (tmp_path / "cache").write_text("")
        assert refused(tmp_path).code == "cache"

    def test_temporary(self) -> None:
        """Without the option it is a temporary one of mode 0700, gone at the end."""
        code = (
            "from forecaster.plugins.yahoo.folder import private_folder as f;"
            "import stat; p = f(None); print(p, oct(stat.S_IMODE(p.stat().st_mode)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        path, mode = done.stdout.split()
        assert mode == "0o700"
        assert not Path(path).exists()

    def test_temporary_and_cleaned_up(self) -> None:
        """When somebody else has removed the temporary one it is made again."""
        for _ in range(2):
            assert len(YahooSource(QUICK, Path()).fetch("X", None, None).bars) == 5
            shutil.rmtree(_temporary())
        assert stat.S_IMODE(private_folder(None).stat().st_mode) == 0o700


class TestBroken:
    def test_no_database(self, server: YahooServer, tmp_path: Path) -> None:
        """Files that yfinance cannot read are made anew, within one request."""
        own = tmp_path / "cache" / "yfinance"
        own.mkdir(mode=0o700, parents=True)
        for name in ("cookies.db", "tkr-tz.db"):
            (own / name).write_bytes(b"no database " * 999)
        assert fetch(tmp_path) == 5
        assert (own / "cookies.db").read_bytes().startswith(b"SQLite format 3")
        assert len(server.asked) == 1

    def test_broken_between_fetches(self, tmp_path: Path) -> None:
        """That yfinance has them open already does not matter."""
        assert fetch(tmp_path) == 5
        (tmp_path / "cache" / "yfinance" / "cookies.db").write_bytes(b"no database " * 999)
        for file in (tmp_path / "cache" / "yfinance").glob("*-wal"):
            file.unlink()
        assert fetch(tmp_path) == 5

    def test_locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lock that somebody holds does not stop the prices."""
        from yfinance import cache as files

        patient = files._peewee.SqliteDatabase.__init__
        hasty = functools.partialmethod(patient, timeout=0.05)
        monkeypatch.setattr(files._peewee.SqliteDatabase, "__init__", hasty)
        own = tmp_path / "cache" / "yfinance"
        own.mkdir(mode=0o700, parents=True)
        with closing(sqlite3.connect(own / "cookies.db")) as holder:
            holder.execute("CREATE TABLE t (x)")
            holder.commit()
            holder.execute("BEGIN EXCLUSIVE")
            assert fetch(tmp_path) == 5

    def test_hopeless(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Files that cannot be had at all are an error that names the folder."""
        import peewee
        from yfinance import cache as files

        def broken(*args: object, **settings: object) -> None:
            raise peewee.OperationalError("unable to open database file")

        monkeypatch.setattr(files._CookieDBManager, "_initialise", broken)
        error = refused(tmp_path)
        assert error.code == "cache"
        assert "cache/yfinance" in str(error)
