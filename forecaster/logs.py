"""Log lines: one line an event, with the run, the series and the stage it is about, no secrets."""

import json
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TextIO, cast

from forecaster.errors import ForecasterError
from forecaster.logfile import LogFile, LogStream, Whole, escaped
from forecaster.masking import hide_environment, mask

LOG = logging.getLogger("forecaster")
LOG.addHandler(logging.NullHandler())  # without it Python prints warnings that nobody asked for

ABOUT = ("run", "series", "stage")

BEGINNING = 5
"""A level below all others: what a process turns to, for who has to say where it was ended."""

DEEPEST = 5
"""Lists and tables within each other that a line shows: one may hold itself."""

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "line"}

_NOTHING: Mapping[str, str] = MappingProxyType({})

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=_NOTHING)


@contextmanager
def about(
    *, run: str | None = None, series: str | None = None, stage: str | None = None
) -> Iterator[None]:
    """Say on every line logged within what it is about; what is not given stays as it is."""
    given = {"run": run, "series": series, "stage": stage}
    token = _about.set(dict(_about.get()) | {key: value for key, value in given.items() if value})
    try:
        LOG.log(BEGINNING, "begins", extra={"event": "begin"})
        yield
    finally:
        _about.reset(token)
        LOG.log(BEGINNING, "goes on", extra={"event": "begin"})


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Be at a stage, and log at its end how many seconds it took."""
    with about(stage=name):
        start, end = time.perf_counter(), "broken off"
        try:
            yield
            end = "done"
        finally:
            seconds = round(time.perf_counter() - start, 6)
            LOG.info("%s %s", name, end, extra={"seconds": seconds})


def told(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says, without secrets; whatever is wrong with a record, it never raises.

    A relayed line is what the other process said.
    """
    line = vars(record).get("line")
    if line is None:
        line = _line(record)
    return {_text(key): _plain(value, DEEPEST) for key, value in line.items()}


def _line(record: logging.LogRecord) -> dict[str, Any]:
    extra = {key: value for key, value in vars(record).items() if key not in _USUAL}
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {"time": moment, "level": record.levelname, "message": _message(record)}
    line |= dict.fromkeys(ABOUT) | dict(_about.get()) | extra
    if record.name.partition(".")[0] != LOG.name:
        line["logger"] = record.name
    if record.exc_info and record.exc_info[1]:
        line["traceback"] = _traceback(record.exc_info[1])
    return line


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001  a wrong line is still a line
        return f"{_text(record.msg)} ({type(error).__name__} in its arguments)"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip()
    except Exception:  # noqa: BLE001  an exception that cannot be printed is one all the same
        return type(error).__name__


def _text(value: object) -> str:
    try:
        return mask(str(value))
    except Exception:  # noqa: BLE001  likewise a value
        return f"<{type(value).__name__}>"


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping) and depth:
        return {_text(key): _plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [_plain(each, depth - 1) for each in value]
    return _text(value)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, run, series, stage, then what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; ASCII alone, so that no sign in it ends a line for anybody."""
        return json.dumps(told(record), allow_nan=False)


class HumanLines(logging.Formatter):
    """A line for people: time, level, what it is about, message, what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters escaped."""
        line = told(record)
        moment = str(line.pop("time", ""))[:19].replace("T", " ")
        level, message = line.pop("level", ""), line.pop("message", "")
        subject = " ".join(str(line.pop(key)) for key in ABOUT if line.get(key))
        rest = " ".join(f"{key}={each}" for key, each in line.items() if each is not None)
        parts = (moment, f"{level:7}", f"[{subject}]" if subject else "", str(message), rest)
        return escaped("  ".join(part for part in parts if part))


class VerboseLines(logging.Formatter):
    """What --verbose shows of a command: messages and whole tracebacks, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        return mask(super().format(record))


def start_logging(
    log: Path | None,
    size_mb: float,
    *,
    stream: TextIO,
    terminal: bool,
    level: int = logging.INFO,
) -> None:
    """Send the lines of this process, and of the libraries it uses, to one place.

    Args:
        log: a file of JSON lines; None for the stream.
        size_mb: of the file, before it is rotated.
        stream: standard error.
        terminal: a person reads the stream: lines for people instead of JSON.
        level: the least that is logged, of this program; of libraries it is a warning.

    Raises:
        ForecasterError: the file cannot be written.
    """
    stop_logging()
    hide_environment(os.environ)
    handler: logging.Handler
    if log is None:
        handler = LogStream(stream)
        handler.setFormatter(HumanLines() if terminal else JsonLines())
    else:
        handler = LogFile(log, int(size_mb * 1_000_000))
        handler.setFormatter(JsonLines())
        _require_writable(log)
    logging.getLogger().addHandler(handler)
    for each in [one for one in LOG.handlers if isinstance(one.formatter, VerboseLines)]:
        LOG.removeHandler(each)  # --verbose: what it wants to see goes to the one place as well
        level = min(level, logging.DEBUG)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_unforeseen
    threading.excepthook = _log_unforeseen_in_thread
    LOG.setLevel(level)


def tell_parent(output: int) -> None:
    """Send every line, and what each turns to, to the process that has started this one."""
    whole = cast("TextIO", Whole(output))
    start_logging(None, 0, stream=whole, terminal=False, level=BEGINNING)


def is_telling() -> bool:
    """Say whether this process's lines go to the one that has started it."""
    return LOG.isEnabledFor(BEGINNING)


def _require_writable(log: Path) -> None:
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ForecasterError(  # not of the configuration: a disk may not be there yet
            f"cannot write log {log}: {error.strerror}",
            remedy="choose a place that can be written ([daemon] log)",
            code="unwritable_log",
        ) from error


def stop_logging() -> None:
    """Undo what `start_logging` did."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, LogFile | LogStream)]:
        root.removeHandler(handler)
        handler.close()
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
    LOG.setLevel(logging.NOTSET)


def show_unforeseen(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    """Print what a command did not foresee, as Python does, but without secrets."""
    sys.stderr.write(f"{mask(_traceback(error))}\n")


def _log_unforeseen(
    kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    LOG.critical("unforeseen %s", kind.__name__, exc_info=error)


def _log_unforeseen_in_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is not None and what.exc_type is not SystemExit:
        _log_unforeseen(what.exc_type, what.exc_value, what.exc_traceback)


def relay(line: Mapping[str, Any]) -> None:
    """Log a line of another process as it said it, with its own time, level, run, series, stage."""
    known = logging.getLevelNamesMapping()
    level = known.get(str(line.get("level")), logging.INFO)
    if LOG.isEnabledFor(level):
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        usual = {"time": now, "level": logging.getLevelName(level), "message": ""}
        whole = usual | dict.fromkeys(ABOUT) | dict(line)
        LOG.handle(logging.makeLogRecord({
            "name": LOG.name, "levelno": level, "levelname": whole["level"], "line": whole,
        }))  # fmt: skip
