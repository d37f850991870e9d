"""Log lines: one line an event, whatever happens, and never a secret."""

import io
import json
import logging
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster import masking
from forecaster.errors import ForecasterError
from forecaster.logfile import KEPT, LogFile
from forecaster.logs import (
    LOG,
    HumanLines,
    JsonLines,
    VerboseLines,
    about,
    relay,
    show_unforeseen,
    stage,
    start_logging,
    stop_logging,
)

CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Whatever a test started ends with it."""
    yield
    stop_logging()


@pytest.fixture
def stream() -> io.StringIO:
    """JSON lines of everything that is logged."""
    text = io.StringIO()
    start_logging(None, 10, stream=text, terminal=False)
    return text


def lines(text: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines as the objects that they are."""
    return [json.loads(line) for line in text.getvalue().splitlines()]


def record(message: Any, *args: Any, **extra: Any) -> logging.LogRecord:
    """Return a record as a logger makes it."""
    return LOG.makeRecord(LOG.name, logging.INFO, "f", 1, message, args, None, extra=extra)


def fail(message: str) -> None:
    """Log a failure with where it comes from."""
    try:
        int(message)
    except ValueError:
        LOG.exception("failed: %s", message)


class Unprintable:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __str__


class TestLines:
    def test_every_line_has_the_same_first_keys(self, stream: io.StringIO) -> None:
        """Time, level, message, run, series and stage are there, null where there is none."""
        LOG.info("idle")
        with about(run="XNYS 2026-11-20", series="AAPL"), about(stage="train"):
            LOG.warning("no better", extra={"loss": 0.5})
        bare, full = lines(stream)
        assert list(bare) == ["time", "level", "message", "run", "series", "stage"]
        assert (bare["level"], bare["message"], bare["run"]) == ("INFO", "idle", None)
        assert full["run"] == "XNYS 2026-11-20"
        assert (full["series"], full["stage"], full["loss"]) == ("AAPL", "train", 0.5)
        assert datetime.fromisoformat(full["time"]).utcoffset() is not None

    def test_a_stage_tells_its_seconds_and_its_end(self, stream: io.StringIO) -> None:
        """A stage that fails still tells how long it took."""
        with stage("score"):
            pass
        with pytest.raises(ValueError, match="x"), stage("train"):
            raise ValueError("x")
        done, broken = lines(stream)
        assert (done["message"], done["stage"]) == ("score done", "score")
        assert (broken["message"], broken["stage"]) == ("train broken off", "train")
        assert done["seconds"] >= 0
        LOG.info("after")
        assert lines(stream)[-1]["stage"] is None

    def test_a_traceback_is_a_key_of_the_line(self, stream: io.StringIO) -> None:
        """An exception makes one line, with all of it in `traceback`."""
        fail("two\nlines")
        (line,) = lines(stream)
        assert line["traceback"].startswith("Traceback")
        assert line["traceback"].endswith(r"'two\nlines'")

    def test_libraries_and_warnings_are_logged_the_same_way(self, stream: io.StringIO) -> None:
        """A library's warning and Python's become lines of ours, saying whose they are."""
        logging.getLogger("apscheduler").warning("late")
        logging.getLogger("apscheduler").info("not of interest")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=False)
            logging.captureWarnings(capture=True)
            warnings.warn("old", stacklevel=1)
        first, second = lines(stream)
        assert (first["logger"], first["message"]) == ("apscheduler", "late")
        assert second["logger"] == "py.warnings"

    @given(st.text(), st.dictionaries(st.text(min_size=1), st.text() | st.floats() | st.none()))
    def test_any_text_stays_on_one_line(self, message: str, said: dict[str, Any]) -> None:
        """No sign in a message or value ends a line, in either form."""
        found = record("%s", message, value=said)
        for form in (JsonLines(), HumanLines()):
            assert len(form.format(found).splitlines()) == 1
        assert json.loads(JsonLines().format(found))["message"] == message

    def test_formatters_never_raise(self) -> None:
        """Wrong arguments and values that cannot be printed still make a line."""
        loop: list[Any] = []
        for found in (
            record("%d", "no number"),
            record("%s", Unprintable()),
            record(Unprintable()),
            record("x", value=Unprintable(), number=float("nan"), raw=b"\xff", odd={1: {2}}),
            record("x", value=loop, name_="y"),
        ):
            for form in (JsonLines(), HumanLines()):
                assert len(form.format(found).splitlines()) == 1
        loop.append(loop)
        assert json.loads(JsonLines().format(record("x", value=loop)))["message"] == "x"

    def test_what_verbose_shows_goes_to_the_one_place(self) -> None:
        """A daemon that was started with -v says each thing once, more of them."""
        verbose = logging.StreamHandler(io.StringIO())
        verbose.setFormatter(VerboseLines())
        LOG.addHandler(verbose)
        text = io.StringIO()
        start_logging(None, 1, stream=text, terminal=False)
        LOG.debug("more")
        assert [line["message"] for line in lines(text)] == ["more"]
        assert verbose not in LOG.handlers

    def test_people_read_time_level_subject_and_message(self) -> None:
        """On a terminal a line is aligned, and control characters are escaped."""
        with about(run="XNYS 2026-11-20", series="AAPL", stage="train"):
            text = HumanLines().format(record("bad \x1b[31m news\n", tries=2))
        assert text[20:] == r" INFO     [XNYS 2026-11-20 AAPL train]  bad \x1b[31m news\n  tries=2"


class TestRelay:
    def test_a_relayed_line_is_passed_on_unchanged(self, stream: io.StringIO) -> None:
        """Time, level, run, series and stage are those of the process that said it."""
        said = {
            "time": "2026-11-23T06:54:00.000+00:00", "level": "WARNING", "message": "x",
            "run": "XNYS 2026-11-20", "series": "AAPL", "stage": "pull", "seconds": 1.5,
        }  # fmt: skip
        with about(run="another"):
            relay(said)
        assert lines(stream) == [said]

    def test_what_a_relayed_line_lacks_is_filled_in(self, stream: io.StringIO) -> None:
        """A line that is not ours gets the keys that every line has."""
        relay({"message": "Killed"})
        relay({"message": "x", "level": "LOUD"})
        first, second = lines(stream)
        assert (first["level"], first["run"]) == ("INFO", None)
        assert first["time"]
        assert second["level"] == "LOUD"

    def test_a_relayed_line_obeys_the_level(self, stream: io.StringIO) -> None:
        """What this process would not log it does not pass on."""
        relay({"message": "x", "level": "DEBUG"})
        assert lines(stream) == []


class TestSecrets:
    def test_secrets_are_masked_everywhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In messages, arguments, extras, tracebacks, relayed lines: of URLs and variables."""
        monkeypatch.setenv("MAIL_PASSWORD", f"{CANARY}-1")
        monkeypatch.setenv("FORECASTER_DATABASE_URL", f"postgresql://me:{CANARY}%2F2@host/name")
        text = io.StringIO()
        start_logging(None, 10, stream=text, terminal=False)
        LOG.info(
            "%s", f"{CANARY}-1", extra={"a": [f"{CANARY}/2"], f"{CANARY}-1": {"b": f"{CANARY}%2F2"}}
        )
        LOG.info("postgresql://me:other-canary@host/name?password=other-canary")
        fail(f"{CANARY}-1")
        relay({"message": f"{CANARY}-1", "traceback": f"{CANARY}-1"})
        assert len(lines(text)) == 4
        assert "canary" not in text.getvalue()

    def test_a_failure_that_people_see_has_no_secret(self) -> None:
        """The message of a failure is masked when it is made, so that no store keeps it."""
        masking.hide_settings({"web": {"api_key": CANARY, "urls": ["ftp://a:pass-canary@b"]}})
        error = ForecasterError(f"refused {CANARY}", remedy=f"not {CANARY} at pass-canary")
        assert str(error) == "refused ***; not *** at ***"
        assert "canary" not in repr(error)

    def test_ordinary_variables_are_no_secrets(self) -> None:
        """Short values and places of files would hide half of every text."""
        masking.hide_environment(
            {"DB_PASSWORD_FILE": "/run/secret", "API_TOKEN": "abc", "HOME": "/home/me"}
        )
        assert masking.mask("abc /run/secret /home/me") == "abc /run/secret /home/me"

    def test_a_longer_secret_is_hidden_whole(self) -> None:
        """One that begins with another leaves no end behind."""
        masking.hide(["secret", "secret-and-more"])
        assert masking.mask("secret-and-more, secret") == "***, ***"


class TestUnforeseen:
    def test_what_nobody_caught_is_a_line_of_the_log(self, stream: io.StringIO) -> None:
        """In the main thread and in others: the log stays one of JSON lines."""
        try:
            int("x")
        except ValueError as error:
            sys.excepthook(type(error), error, None)
        thread = threading.Thread(target=int, args=("y",))
        thread.start()
        thread.join()
        first, second = lines(stream)
        assert (first["level"], first["message"]) == ("CRITICAL", "unforeseen ValueError")
        assert "'y'" in second["traceback"]

    def test_what_a_command_did_not_foresee_shows_no_secret(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Python's own traceback would."""
        masking.hide([CANARY])
        show_unforeseen(ValueError, ValueError(CANARY), None)
        assert capsys.readouterr().err == "ValueError: ***\n"


class TestFile:
    def test_a_file_is_rotated_and_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        """The file stays under its size, five older ones are kept, no line is cut."""
        log = tmp_path / "logs" / "forecaster.log"
        start_logging(log, 0.002, stream=sys.stderr, terminal=True)
        for number in range(200):
            LOG.info("line %d", number)
        files = sorted(log.parent.iterdir())
        assert [each.name for each in files] == [
            log.name, *(f"{log.name}.{k}" for k in range(1, KEPT + 1))
        ]  # fmt: skip
        assert all(each.stat().st_size <= 2000 for each in files)
        assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
        kept = [json.loads(line) for each in files for line in each.read_text().splitlines()]
        assert len({line["message"] for line in kept}) == len(kept)
        assert json.loads(log.read_text().splitlines()[-1])["message"] == "line 199"

    def test_a_file_that_is_taken_away_is_made_again(self, tmp_path: Path) -> None:
        """Moving or removing the log loses no later line."""
        log = tmp_path / "log"
        start_logging(log, 1, stream=sys.stderr, terminal=True)
        LOG.info("one")
        log.unlink()
        LOG.info("two")
        assert "two" in log.read_text()

    def test_a_log_that_cannot_be_written_is_told_once_and_counted(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The program goes on, and the log says later how many lines it lacks."""
        log = tmp_path / "folder" / "log"
        start_logging(log, 1, stream=sys.stderr, terminal=True)
        log.unlink()
        log.parent.rmdir()
        for number in range(3):
            LOG.info("line %d", number)
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "cannot be written" in said
        log.parent.mkdir()
        LOG.info("again")
        told = [json.loads(line)["message"] for line in log.read_text().splitlines()]
        assert told == ["3 log lines before this one could not be written", "again"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_a_full_disk_stops_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        """No space left: one line on standard error, no traceback, no exception."""
        handler = LogFile(Path("/dev/full"), 1000)
        handler.setFormatter(JsonLines())
        handler.handle(record("x"))
        handler.handle(record("y"))
        assert handler.lost == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_a_stream_that_nobody_reads_stops_nothing(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A closed standard error costs the line alone."""
        text = io.StringIO()
        start_logging(None, 1, stream=text, terminal=False)
        text.close()
        LOG.info("x")
        assert capsys.readouterr().err == ""

    def test_a_place_that_cannot_be_written_is_refused_at_the_start(self, tmp_path: Path) -> None:
        """A log below a file is refused in one line; a disk may be there at the next start."""
        (tmp_path / "file").touch()
        with pytest.raises(ForecasterError, match="cannot write log") as caught:
            start_logging(tmp_path / "file" / "log", 1, stream=sys.stderr, terminal=True)
        assert caught.value.exit_code == 1
