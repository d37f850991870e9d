"""config.toml, the environment and the command line, in this order, made into settings."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from forecaster.config.environment import PREFIX, Override, read_environment
from forecaster.config.explain import Fault, explain, first_and_count
from forecaster.config.settings import Settings, default_reporters
from forecaster.errors import ConfigError
from forecaster.masking import has_password, hide_environment, hide_settings

DEFAULT_FILE = Path("config.toml")


@dataclass(frozen=True)
class Loaded:
    """Settings and where they come from.

    Attributes:
        settings: None if something is wrong.
        written: what the file says.
        origins: the keys that something other than the file sets, and what that is.
        faults: (message, remedy) of everything that is wrong.
    """

    settings: Settings | None
    written: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)
    faults: tuple[tuple[str, str], ...] = ()


def read_file(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no configuration file {path}",
            remedy="write one with `forecaster init`, or name another with --config",
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start + 1})") from error


def parse(text: str, path: Path) -> dict[str, Any]:
    """Return TOML as a dict; raise ConfigError with the line of a syntax error."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is not valid TOML: nested too deeply") from error


def _overridden(written: Mapping[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """Return what the file says with some keys set otherwise; the original is left alone."""
    whole = dict(written)
    if any(each.path[0] == "reporters" for each in overrides):
        # Setting an option of one reporter is not choosing it alone.
        whole.setdefault("reporters", default_reporters())
    for each in overrides:
        _set(whole, each.path, each.value)
    return whole


def _set(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set one key, in copies of the tables that lead to it."""
    for key in path[:-1]:
        below = table.get(key, {})
        if not isinstance(below, dict):
            return  # no table, which validation reports
        table[key] = dict(below)
        table = table[key]
    table[path[-1]] = value


def _password_fault(written: Mapping[str, Any], path: Path) -> list[tuple[str, str]]:
    """Return the faults of URLs in the file that have a password."""
    found = []
    for keys in _texts(written, ("database", "plugins", "reporters")):
        variable = "_".join((PREFIX.rstrip("_"), *keys)).upper()
        message = f"{path}: {'.'.join(keys)} holds a password, which does not belong in a file"
        found.append((message, f"take it out and set the environment variable {variable}"))
    return found


def _texts(table: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yield the path of each text below some names of a table that has a password."""
    for name in names:
        value = table.get(name)
        if isinstance(value, dict):
            yield from ((name, *path) for path in _texts(value, value))
        elif isinstance(value, str) and has_password(value):
            yield (name,)


def _closures_fault(settings: Settings) -> list[tuple[str, str]]:
    try:
        settings.amendments()
    except ConfigError as error:
        return [(error.message, error.remedy)]
    return []


def _located(fault: Fault, path: Path, origins: Mapping[tuple[str, ...], str]) -> tuple[str, str]:
    """Return a fault with what set the key: the environment, the command line or the file."""
    keys = tuple(str(part) for part in fault.path)
    longest = (origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in origins)
    return f"{next(longest, str(path))}: {fault.line()}", fault.remedy


def load(
    path: Path, *, environ: Mapping[str, str], database: str | None = None, text: str | None = None
) -> Loaded:
    """Return the settings, or everything that is wrong with them.

    Args:
        path: of the file.
        environ: the environment.
        database: replaces `[database] url`; a relative file is below the working folder.
        text: what the file is to say, if not what it does.

    Raises:
        ConfigError: the file is missing, unreadable or no TOML.
    """
    written = parse(read_file(path) if text is None else text, path)
    overrides, strangers = read_environment(environ)
    origins = {each.path: f"environment variable {each.variable}" for each in overrides}
    if database is not None:
        url = database if "://" in database else str(Path(database).expanduser().absolute())
        overrides.append(Override("--database", ("database", "url"), url))
        origins["database", "url"] = "--database"
    hide_environment(environ)
    hide_settings(whole := _overridden(written, overrides))
    faults = [(each.line(), each.remedy) for each in strangers] + _password_fault(written, path)
    if "folder" in written:
        faults.append((f"{path}: folder is not a known key", ""))
    whole["folder"] = path.absolute().parent
    try:
        settings = Settings.model_validate(whole)
    except ValidationError as error:
        faults += [_located(each, path, origins) for each in explain(error, Settings)]
    else:
        faults += [(f"{path}: {each.message}", each.remedy) for each in settings.expanded()[1]]
        faults += _closures_fault(settings)
        if not faults:
            return Loaded(settings, written, origins)
    return Loaded(None, written, origins, tuple(faults))


def load_settings(
    path: Path | None, *, environ: Mapping[str, str], database: str | None = None
) -> Settings:
    """Return the settings of a file, `./config.toml` by default, with what overrides it.

    Args:
        path: of the file.
        environ: the environment; FORECASTER_* variables override keys.
        database: replaces `[database] url`; a relative file is below the working folder.

    Raises:
        ConfigError: the file is missing, or something in it or in the environment is wrong; the
            message names the first fault and counts the others.
    """
    loaded = load(path or DEFAULT_FILE, environ=environ, database=database)
    if loaded.settings is None:
        message, remedy = first_and_count(loaded.faults)
        raise ConfigError(message, remedy=remedy)
    return loaded.settings


def check_settings(
    path: Path | None, *, environ: Mapping[str, str], database: str | None = None
) -> list[str]:
    """Return everything that is wrong with the settings, one line each."""
    try:
        loaded = load(path or DEFAULT_FILE, environ=environ, database=database)
    except ConfigError as error:
        return [str(error)]
    return [str(ConfigError(message, remedy=remedy)) for message, remedy in loaded.faults]
