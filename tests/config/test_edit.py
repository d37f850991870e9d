"""How the configuration file is created and a series appended to it."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.config import add_series, create_config, load_settings, template
from forecaster.errors import ConfigError

Write = Callable[[str], Path]
FIRST = '[[series]]\nsource = "s"\nsymbol = "A"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet",
        "[model]\nepochs = 3",
        "[reporters.console]\n\n\n",
        f"{FIRST}[series.model]\nepochs = 3  # few",
        f"{FIRST}\n[database]\nurl = 'x.db'\n# the end",
        template(),
        f"{FIRST}".replace("\n", "\r\n"),
    ],
)
def test_a_series_is_appended_whatever_comes_last(write: Write, text: str) -> None:
    """The text so far stays as it is, and the new series is one more, with nothing else changed."""
    path = write("")
    path.write_bytes(text.encode())
    before = load_settings(path, environ={})
    add_series(path, name="new", source="csv", symbol="N", field="open", calendar="XNYS")
    after = load_settings(path, environ={})
    *others, new = after.each_series()
    assert others == before.each_series()
    assert (new.name, new.source, new.symbol) == ("new", "csv", "N")
    assert (new.field, new.calendar, new.model) == ("open", "XNYS", before.model)
    assert after.model_copy(update={"series": before.series}) == before
    assert path.read_bytes().startswith(text.rstrip("\r\n").encode())
    assert path.read_bytes().count(b"\r") in (0, path.read_bytes().count(b"\n"))


def test_only_what_differs_from_the_default_is_written(write: Write) -> None:
    """A series of closes with the source's own calendar has three keys."""
    path = write("")
    add_series(path, name="A", source="csv", symbol="A", field="close", calendar=None)
    assert path.read_text() == '[[series]]\nname = "A"\nsource = "csv"\nsymbol = "A"\n'


def test_texts_are_quoted(write: Write) -> None:
    """A value cannot end its string and begin another key."""
    path = write("")
    hostile = 'x"\n[model]\nepochs = 1\x7f\\'
    add_series(path, name="A", source=hostile, symbol="A", field="close", calendar=hostile)
    (series,) = load_settings(path, environ={}).each_series()
    assert (series.source, series.calendar) == (hostile, hostile)
    assert series.model.epochs == 12


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "A"}, "config.toml has a series 'A' already (s A close); choose another name"),
        ({"name": "../x"}, "name = '../x': must be up to 64 letters"),
        ({"symbol": "a/b"}, "symbol = 'a/b': must be up to 64 letters"),
        ({"field": "adj"}, "field = 'adj': must be 'open', 'high'"),
        ({"source": ""}, "source = '': must be a string that is not empty"),
    ],
)
def test_a_bad_series_leaves_the_file_as_it_was(
    write: Write, tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    """What is not allowed is refused before anything is written."""
    path = write(FIRST)
    series = {"name": "B", "source": "s", "symbol": "B", "field": "close", "calendar": None}
    with pytest.raises(ConfigError) as caught:
        add_series(path, **{**series, **changes})  # type: ignore[arg-type]
    assert expected in str(caught.value)
    assert path.read_text() == FIRST
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_with_faults_is_not_appended_to(write: Write) -> None:
    """Faults that a file has already are told first."""
    with pytest.raises(ConfigError, match=r"model.epochs = 0: must be at least 1"):
        add_series(write("[model]\nepochs = 0"), name="A", source="s", symbol="A")


def test_a_list_of_series_is_not_appended_to(write: Write) -> None:
    """TOML cannot append a table to a list on one line; the message says what to do."""
    path = write('series = [{ source = "s", symbol = "A" }]')
    with pytest.raises(ConfigError, match=r"write each series as a \[\[series\]\] table"):
        add_series(path, name="B", source="s", symbol="B")


def test_mode_and_link_are_kept(write: Write, tmp_path: Path) -> None:
    """A private file stays private, and a link to a file stays a link."""
    path = write("")
    path.chmod(0o600)
    (tmp_path / "link.toml").symlink_to(path)
    add_series(tmp_path / "link.toml", name="A", source="s", symbol="A")
    assert (tmp_path / "link.toml").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_settings(path, environ={}).each_series()[0].name == "A"


def test_a_failed_write_leaves_the_old_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full, the file is as it was and no other is left behind."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = write(FIRST)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match=r"config.toml cannot be written: No space left"):
        add_series(path, name="B", source="s", symbol="B")
    assert path.read_text() == FIRST
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_the_template(tmp_path: Path) -> None:
    """What `init` writes loads as it stands: eight series of the embedded sample."""
    create_config(tmp_path / "config.toml")
    series = load_settings(tmp_path / "config.toml", environ={}).each_series()
    assert [each.name for each in series] == [
        *("AAPL", "GOOG", "IBM", "MSFT", "EURUSD", "EURGBP", "EURJPY", "EURCHF")
    ]
    assert {each.source for each in series} == {"sample"}


def test_an_existing_file_is_not_written_over(write: Write, tmp_path: Path) -> None:
    """`init` refuses a file, or a folder that is not there."""
    path = write("# mine")
    with pytest.raises(ConfigError, match=r"config.toml exists; edit it"):
        create_config(path)
    assert path.read_text() == "# mine"
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        create_config(tmp_path / "none" / "config.toml")
