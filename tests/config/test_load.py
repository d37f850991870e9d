"""How a file becomes settings, and what people read when it does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.config import check_settings, load_settings
from forecaster.errors import ConfigError

Write = Callable[[str], Path]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mdel = 3", "mdel is not a known key; did you mean model?"),
        ('folder = "x"', "folder is not a known key"),
        ("model = 3", "model = 3: must be a table"),
        ("[model]\nhiden_size = 3", "model.hiden_size is not a known key; did you mean hidden_siz"),
        ("[model]\nhidden_size = -3", "model.hidden_size = -3: must be at least 1"),
        ("[model]\nhidden_size = 3.5", "model.hidden_size = 3.5: must be a whole number"),
        ("[model]\nhidden_size = true", "model.hidden_size = True: must be a whole number"),
        ('[model]\nhidden_size = "3"', "model.hidden_size = '3': must be a whole number"),
        ("[model]\nhorizon = 61", "model.horizon = 61: must be at most 60"),
        ("[model]\nlearning_rate = nan", "model.learning_rate = nan: must be a finite number"),
        ("[model]\nmomentum = 1.0", "model.momentum = 1.0: must be below 1"),
        ('[model]\ninputs = "raw"', "model.inputs = 'raw': must be 'returns', 'window' or 'minmax"),
        ("[model]\nactivation = 3", "model.activation = 3: must be a string in quotes"),
        ("[model]\nhistory = 10", "model: history = 10 holds no window: must be at least"),
        ('[retrain]\nevery = "x"', "retrain.every = 'x': must be a whole number or 'always' or"),
        ("[retrain]\nevery = 0", "retrain.every = 0: must be at least 1 or 'always' or 'never'"),
        ("[backtest]\nsplit = 1", "backtest.split = 1: must be below 1"),
        ("[plugins]\ncsv = 3", "plugins.csv = 3: must be a table"),
        ("[reporters]\nhtml = 3", "reporters.html = 3: must be a table"),
        ('[database]\nurl = "mysql://h/d"', "database.url = 'mysql://h/d': must be a file"),
        ("series = 3", "series = 3: must be a list"),
    ],
)
def test_a_fault_names_file_key_value_and_what_is_allowed(
    write: Write, text: str, expected: str
) -> None:
    """Each fault is one line that says where it is, what it is and what would be right."""
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ={})
    assert str(caught.value).startswith(f"{path}: {expected}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_faults_are_counted_and_can_be_listed(write: Write) -> None:
    """The first fault is told with the count of the others; a check lists each."""
    path = write('[model]\nepochs = 0\nlokback = 1\n[[series]]\nsource = "s"')
    with pytest.raises(ConfigError, match=r"model.epochs = 0: .* \(and 2 more\)"):
        load_settings(path, environ={})
    lines = check_settings(path, environ={})
    assert [line.removeprefix(f"{path}: ").split()[0] for line in lines] == [
        "model.epochs",
        "model.lokback",
        "[[series]]",
    ]


def test_a_good_file_has_no_faults(write: Write) -> None:
    """A check of a file that loads lists nothing."""
    assert check_settings(write('[[series]]\nsource = "s"\nsymbol = "A"'), environ={}) == []


def test_a_missing_file_is_named_with_the_way_to_get_one(tmp_path: Path) -> None:
    """Without a file, the message says which and how to write one."""
    with pytest.raises(ConfigError, match=r"no configuration file .*none.toml; .*forecaster init"):
        load_settings(tmp_path / "none.toml", environ={})
    assert "forecaster init" in check_settings(tmp_path / "none.toml", environ={})[0]


def test_the_default_file_is_in_the_working_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path, ./config.toml is read, and its folder is absolute."""
    write("[model]\nepochs = 3")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, environ={})
    assert settings.model.epochs == 3
    assert settings.folder == tmp_path


def test_a_syntax_error_has_its_line(write: Write) -> None:
    """What is no TOML is refused with line and column."""
    with pytest.raises(ConfigError, match=r"config.toml is not valid TOML: .*line 2, column 8"):
        load_settings(write("[model]\nepochs 3"), environ={})


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder, or a file that is not UTF-8, is one line and no traceback."""
    (tmp_path / "latin.toml").write_bytes(b"# \xe4\n")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, environ={})
    with pytest.raises(ConfigError, match=r"latin.toml is not UTF-8 text \(byte 3\)"):
        load_settings(tmp_path / "latin.toml", environ={})


def test_a_mark_of_byte_order_is_no_error(tmp_path: Path) -> None:
    """Editors that put a byte order mark before the text do no harm."""
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[model]\r\nepochs = 3\r\n")
    assert load_settings(tmp_path / "config.toml", environ={}).model.epochs == 3


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2@host/name", "postgresql://host/name?user=me&password=hunter2"]
)
def test_a_password_in_the_file_is_refused(write: Write, url: str) -> None:
    """A password belongs in the environment, and is not repeated in the message."""
    path = write(f'[database]\nurl = "{url}"')
    with pytest.raises(
        ConfigError, match=r"database.url holds .*FORECASTER_DATABASE_URL"
    ) as caught:
        load_settings(path, environ={})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="holds a password"):
        load_settings(path, environ={"FORECASTER_DATABASE_URL": "other.db"})


def test_a_password_is_not_repeated_in_other_faults(write: Write) -> None:
    """A bad URL with a password is shown without it."""
    environ = {"FORECASTER_DATABASE_URL": "mysql://me:hunter2@host/name"}
    (line,) = check_settings(write(""), environ=environ)
    assert "mysql://me:***@host/name" in line
    assert "hunter2" not in line


def test_the_command_line_has_the_last_word(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of the command line beats file and environment; it is below the working folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = write('[database]\nurl = "file.db"')
    environ = {"FORECASTER_DATABASE_URL": "environment.db"}
    urls = [
        load_settings(path, environ={}),
        load_settings(path, environ=environ),
        load_settings(path, environ=environ, database="given.db"),
        load_settings(path, environ=environ, database="postgresql://host/name"),
    ]
    assert [each.database_url() for each in urls] == [
        f"sqlite:///{tmp_path}/file.db",
        f"sqlite:///{tmp_path}/environment.db",
        f"sqlite:///{tmp_path}/work/given.db",
        "postgresql://host/name",
    ]
    (line,) = check_settings(path, environ={}, database="mysql://host/name")
    assert line.startswith("--database: database.url = 'mysql://host/name': must be a file")
