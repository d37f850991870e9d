"""The file that amends calendars."""

from datetime import date, time
from pathlib import Path

import pytest

from forecaster.config import Amendment, check_settings, load_settings
from forecaster.errors import ConfigError


def configured(folder: Path, text: str | None, schedule: str = "") -> Path:
    """Write a config.toml, and a closures.txt beside it unless that is None."""
    (folder / "config.toml").write_text(schedule)
    if text is not None:
        (folder / "closures.txt").write_text(text)
    return folder / "config.toml"


def amendments(path: Path) -> tuple[Amendment, ...]:
    """Return what the settings say of calendars."""
    return load_settings(path, environ={}).amendments()


def test_a_line_closes_or_opens_a_day(tmp_path: Path) -> None:
    """Comments and empty lines are no lines; a time is of the close."""
    path = configured(
        tmp_path,
        "# by hand\n\nXNYS 2025-01-09 closed  # a funeral\nXBOM 2025-02-01 open 10:00\n"
        "XSES\t2025-02-08  open\n",
    )
    file = tmp_path / "closures.txt"
    assert amendments(path) == (
        Amendment("XNYS", date(2025, 1, 9), False, None, f"{file}, line 3"),
        Amendment("XBOM", date(2025, 2, 1), True, time(10), f"{file}, line 4"),
        Amendment("XSES", date(2025, 2, 8), True, None, f"{file}, line 5"),
    )


def test_there_need_be_no_file(tmp_path: Path) -> None:
    """Without closures.txt beside config.toml nothing is amended."""
    assert amendments(configured(tmp_path, None)) == ()


def test_another_file_may_be_named(tmp_path: Path) -> None:
    """It is relative to config.toml, and the one with the usual name is not read."""
    path = configured(tmp_path, "nonsense", '[schedule]\nclosures = "more/days.txt"\n')
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "days.txt").write_text("XNYS 2025-01-09 closed\n")
    assert [one.day for one in amendments(path)] == [date(2025, 1, 9)]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """Whoever names a file means it to be read."""
    path = configured(tmp_path, None, '[schedule]\nclosures = "closures.txt"\n')
    with pytest.raises(ConfigError, match=r"closures.txt cannot be read: No such file"):
        load_settings(path, environ={})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("XNYS 2025-01-09", "is not understood"),
        ("XNYS 2025-01-09 shut", "is not understood"),
        ("XNYS 2025-01-09 closed 10:00", "is not understood"),
        ("XNYS 2025-01-09 open 10:00 UTC", "is not understood"),
        ("XNYS 09.01.2025 closed", "is no date"),
        ("XNYS 20250109 closed", "is no date"),
        ("XNYS 2025-02-30 closed", "is no date"),
        ("XNYS 2025-01-09 open 25:00", "is no time"),
        ("XNYS 2025-01-09 open 10", "is no time"),
        ("XNYS 2025-01-10 open", "line 1 speaks of XNYS 2025-01-10 already"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(tmp_path: Path, line: str, why: str) -> None:
    """File, line and what is allowed; `config check` tells it as well."""
    path = configured(tmp_path, f"XNYS 2025-01-10 closed\n{line}\n")
    with pytest.raises(ConfigError, match=rf"closures.txt, line 2: .*{why}") as caught:
        load_settings(path, environ={})
    assert caught.value.remedy
    assert len(check_settings(path, environ={})) == 1


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A binary file is one line of error."""
    path = configured(tmp_path, None)
    (tmp_path / "closures.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_settings(path, environ={})
