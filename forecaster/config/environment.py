"""FORECASTER_* variables that override keys: FORECASTER_MODEL_HIDDEN_SIZE is model.hidden_size."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forecaster.config.explain import Fault, near
from forecaster.config.settings import Settings
from forecaster.config.tables import Table

PREFIX = "FORECASTER_"

# Read by the command line: which plugins may load at all.
_PLUGIN_LIST = "FORECASTER_PLUGINS"


@dataclass(frozen=True)
class Override:
    """One key that the environment sets."""

    variable: str
    path: tuple[str, ...]
    value: Any


def _tables() -> dict[str, type[Table]]:
    """Return the tables with fixed keys."""
    annotations = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        name: kind
        for name, kind in annotations.items()
        if isinstance(kind, type) and issubclass(kind, Table)
    }


_FREE = ("plugins", "reporters")  # their tables are named by plugins


def read_environment(environ: Mapping[str, str]) -> tuple[list[Override], list[Fault]]:
    """Return what the environment overrides, and the variables that name no setting.

    A variable whose first word is no table (FORECASTER_CONFIG) is left alone. A value is read as
    TOML where it can be, else as a string; `__` may stand between table and key, and must where
    the name of a plugin has an underscore.
    """
    overrides: dict[tuple[str, ...], Override] = {}
    faults: list[Fault] = []
    for variable in sorted(environ):
        words = variable.removeprefix(PREFIX).lower()
        table = next((each for each in Settings.model_fields if _begins(words, each)), "folder")
        if not variable.startswith(PREFIX) or table == "folder" or variable == _PLUGIN_LIST:
            continue
        found = _override(variable, table, words, environ[variable])
        if isinstance(found, Fault):
            faults.append(found)
        elif overrides.setdefault(found.path, found).value != found.value:
            other = overrides[found.path].variable
            faults.append(Fault((), f"environment variables {other} and {variable} differ"))
    return list(overrides.values()), faults


def _begins(words: str, table: str) -> bool:
    return words == table or words.startswith(f"{table}_")


def _override(variable: str, table: str, words: str, text: str) -> Override | Fault:
    tables = _tables()
    rest = words.removeprefix(table).lstrip("_")
    if table in tables and rest in tables[table].model_fields:
        is_text = tables[table].model_fields[rest].annotation is str
        return Override(variable, (table, rest), _read(text, is_text=is_text))
    if table == "series":
        return Fault((), f"environment variable {variable}: series stand in the file only")
    value = _read(text, is_text=False)
    if table in _FREE and _names_option(path := _option(rest), value):
        return Override(variable, (table, *path), value)
    known = [f"{PREFIX}{table}_{key}".upper() for key in _keys(table)]
    return Fault((), f"environment variable {variable} names no setting", near(variable, known))


def _keys(table: str) -> list[str]:
    fixed = _tables().get(table)
    return [*(fixed.model_fields if fixed else ()), *(["_NAME__KEY"] if table in _FREE else [])]


def _option(rest: str) -> tuple[str, ...]:
    return tuple(rest.split("__", 1) if "__" in rest else rest.split("_", 1))


def _names_option(path: Sequence[str], value: object) -> bool:
    """Say whether a path leads to an option of a plugin, or to its whole table."""
    return all(path) and (len(path) == 2 or isinstance(value, dict))


def _read(text: str, *, is_text: bool) -> Any:
    """Return `text` as the TOML value that it is, else as a string."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    value = found["value"]
    return text if len(found) > 1 or (is_text and not isinstance(value, str)) else value
