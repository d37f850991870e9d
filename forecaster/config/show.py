"""The effective settings with the origin of each, and the JSON Schema of the file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecaster.config.explain import first_and_count
from forecaster.config.load import DEFAULT_FILE, Loaded, load
from forecaster.config.settings import Settings
from forecaster.config.toml import toml_key, toml_value
from forecaster.errors import ConfigError
from forecaster.masking import is_secret, mask_password


@dataclass(frozen=True)
class SettingLine:
    """One effective setting.

    Attributes:
        table: the header it stands under; `[[series]]` tables are told apart by number.
        number: of the `[[series]]` table, from 1; 0 elsewhere.
        key: in the table; empty for a table without options.
        value: passwords are masked; None if it is not set.
        origin: default, file, an environment variable or --database.
    """

    table: str
    number: int
    key: str
    value: Any
    origin: str

    def __str__(self) -> str:
        if not self.key:
            return f"# no options  # {self.origin}"
        if self.value is None:
            return f"# {toml_key(self.key)} is not set"
        return f"{toml_key(self.key)} = {toml_value(self.value)}  # {self.origin}"


def show_settings(
    path: Path | None, *, environ: Mapping[str, str], database: str | None = None
) -> list[SettingLine]:
    """Return every effective setting, in the order of the tables.

    Raises:
        ConfigError: as `load_settings` does.
    """
    loaded = load(path or DEFAULT_FILE, environ=environ, database=database)
    if loaded.settings is None:
        message, remedy = first_and_count(loaded.faults)
        raise ConfigError(message, remedy=remedy)
    tables = loaded.settings.model_dump(exclude={"series"})
    lines = [line for name, table in tables.items() for line in _lines(loaded, (name,), table)]
    for number, table in enumerate(loaded.settings.series, start=1):
        written = table.model_dump(exclude_unset=True)
        lines += [
            SettingLine("series", number, key, _masked(key, each), "file")
            for key, each in written.items()
        ]
    return lines


def _lines(
    loaded: Loaded, path: tuple[str, ...], table: Mapping[str, Any]
) -> Iterator[SettingLine]:
    """Yield the lines of a table, then those of the tables in it."""
    header = ".".join(toml_key(each) for each in path)
    below = {key: each for key, each in table.items() if isinstance(each, dict)}
    if not table:
        yield SettingLine(header, 0, "", None, _origin(loaded, path))
    for key, value in table.items():
        if key not in below:
            origin = _origin(loaded, (*path, key))
            yield SettingLine(header, 0, key, _masked(key, value), origin)
    for key, each in below.items():
        yield from _lines(loaded, (*path, key), each)


def _origin(loaded: Loaded, path: tuple[str, ...]) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in loaded.origins:
            return loaded.origins[path[:length]]
    at: Any = loaded.written
    for key in path:
        if not isinstance(at, dict) or key not in at:
            return "default"
        at = at[key]
    return "file"


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(key, each) for each in value]
    if is_secret(key) and value is not None:
        return "***"
    return mask_password(value) if isinstance(value, str) else value


def settings_toml(lines: list[SettingLine]) -> str:
    """Return the lines of `show_settings` as a TOML document, the origins as comments."""
    text: list[str] = []
    last = ("", 0)
    for line in lines:
        if (line.table, line.number) != last:
            text += ["", f"[[{line.table}]]" if line.number else f"[{line.table}]"]
            last = (line.table, line.number)
        text.append(str(line))
    return "\n".join([*text[1:], ""])


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of config.toml, for editors."""
    found = Settings.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "title": "config.toml of forecaster",
    }
