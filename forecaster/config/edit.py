"""Write the configuration file: create it, append a series. Comments and layout are kept."""

import os
import tempfile
from importlib.resources import files
from pathlib import Path

from forecaster.config.explain import first_and_count
from forecaster.config.load import load, read_file
from forecaster.config.toml import toml_value
from forecaster.errors import ConfigError


def template() -> str:
    """Return the commented configuration that a newcomer starts from."""
    return files("forecaster.config").joinpath("template.toml").read_text(encoding="utf-8")


def create_config(path: Path) -> None:
    """Write the commented configuration to a new file.

    Raises:
        ConfigError: the file exists, or cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} exists", remedy="edit it, or choose an empty folder")
    _replace(path, template().encode(), mode=0o644)


def add_series(
    path: Path,
    *,
    name: str,
    source: str,
    symbol: str,
    field: str = "close",
    calendar: str | None = None,
) -> None:
    """Append a `[[series]]` table to a configuration file, all or nothing.

    Raises:
        ConfigError: the name exists, a value is not allowed, the file has faults already, or it
            cannot be written. The file is then as it was.
    """
    text = read_file(path)
    _refuse_known(path, name)
    longer = _appended(text, _table(name, source, symbol, field, calendar))
    try:
        loaded = load(path, environ={}, text=longer)
    except ConfigError as error:
        raise ConfigError(
            f"{path}: series is written as a list, to which no [[series]] table can be appended",
            remedy="write each series as a [[series]] table",
        ) from error
    if loaded.faults:
        message, remedy = first_and_count(loaded.faults)
        raise ConfigError(message, remedy=remedy)
    # Through a link, so that the link stays one.
    target = path.resolve()
    bom = b"\xef\xbb\xbf" if target.read_bytes().startswith(b"\xef\xbb\xbf") else b""
    _replace(target, bom + longer.encode(), mode=target.stat().st_mode & 0o7777)


def _refuse_known(path: Path, name: str) -> None:
    loaded = load(path, environ={})
    if loaded.settings is None:
        message, remedy = first_and_count(loaded.faults)
        raise ConfigError(message, remedy=remedy)
    for series in loaded.settings.each_series():
        if series.name == name:
            raise ConfigError(
                f"{path} has a series {name!r} already ({series.source} {series.symbol} "
                f"{series.field})",
                remedy="choose another name",
            )


def _table(name: str, source: str, symbol: str, field: str, calendar: str | None) -> list[str]:
    keys = {"name": name, "source": source, "symbol": symbol}
    if field != "close":
        keys["field"] = field
    if calendar is not None:
        keys["calendar"] = calendar
    return ["[[series]]", *(f"{key} = {toml_value(value)}" for key, value in keys.items())]


def _appended(text: str, lines: list[str]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    body = text.rstrip("\r\n")
    return newline.join([*([body, ""] if body else []), *lines, ""])


def _replace(path: Path, data: bytes, *, mode: int) -> None:
    """Put `data` in place of a file so that a crash leaves the old one or the new one."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        written.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        written.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
