"""Series: `[[series]]` tables as written, and each series as it is forecast."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from forecaster.config.explain import explain
from forecaster.config.tables import IntervalSettings, ModelSettings, RetrainSettings, Table
from forecaster.errors import ConfigError

FieldName = Literal["open", "high", "low", "close", "volume"]
ValuesKind = Literal["price", "difference"]
MissingPolicy = Literal["refuse", "drop", "carry"]

# The first character keeps a name from being read as an option, a path or a formula.
_NAME = re.compile(r"[A-Za-z0-9^_][A-Za-z0-9._^=-]{0,63}")
_SYMBOL = re.compile(r"[A-Za-z0-9^_][A-Za-z0-9._^=&:-]{0,63}")
_LETTERS = "up to 64 letters, digits and . _ - ^ ="


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"must be {_LETTERS}, beginning with a letter, a digit, ^ or _")
    return name


def _checked_symbol(symbol: str) -> str:
    if not _SYMBOL.fullmatch(symbol):
        raise ValueError(f"must be {_LETTERS} & :, beginning with a letter, a digit, ^ or _")
    return symbol


Name = Annotated[str, AfterValidator(_checked_name)]
Symbol = Annotated[str, AfterValidator(_checked_symbol)]


class SeriesKeys(Table):
    """What a table of many symbols and each of its series have in common."""

    source: str = Field(min_length=1)
    """The source plugin that quotes it."""

    field: FieldName = "close"
    """Which price of a bar is forecast."""

    calendar: str | None = Field(default=None, min_length=1)
    """The trading calendar; by default what the source says, or what the sessions look like."""

    values: ValuesKind = "price"
    """Prices, forecast by log returns, or a difference: values that may be zero or negative."""

    season: Annotated[int, Field(ge=2, le=400)] | None = None
    """Sessions of a season: the baseline is then the value of one season ago, and the network
    forecasts the deviation from it."""

    missing: MissingPolicy = "refuse"
    """What to do about a session that the calendar has and the source lacks: refuse to forecast,
    drop it, or carry the value before it forward and mark the forecast."""

    carry: int = Field(default=3, ge=1, le=60)
    """Sessions in a row that missing = "carry" bridges at most."""

    jump: float = Field(default=0.4, ge=0, le=1000)
    """Share by which a close may move in one session without a split or dividend; a bar beyond it
    is held until 3 more sessions confirm it, or `bars accept` does. 0 holds none."""

    revision_alert: float = Field(default=0.005, ge=0)
    """Share by which a stored price may change later without an alert."""


class SeriesSettings(SeriesKeys):
    """One series, with the global tables and its own overrides merged."""

    name: Name
    symbol: Symbol
    model: ModelSettings = ModelSettings()
    retrain: RetrainSettings = RetrainSettings()
    intervals: IntervalSettings = IntervalSettings()

    @model_validator(mode="after")
    def _season_goes_with_the_model(self) -> Self:
        if self.season is None:
            return self
        model = self.model
        if (model.inputs, model.multi_step) != ("returns", "direct"):
            raise ValueError(
                f"season = {self.season} is forecast by deviations from the season before: must go "
                "with inputs = 'returns' and multi_step = 'direct'"
            )
        needed = self.season + model.lookback + model.horizon
        if model.history < needed:
            raise ValueError(
                f"history = {model.history} holds no window: must be at least season + lookback + "
                f"horizon = {needed}"
            )
        return self


def _overrides(name: str, table: type[Table]) -> Any:
    """Return a field for single keys of `[name]`, which the merged whole is validated by."""
    properties = table.model_json_schema()["properties"]
    for each in properties.values():
        del each["default"]
    return Field(
        default_factory=dict,
        description=f"Single keys of [{name}] that this series has otherwise.",
        json_schema_extra={"properties": properties, "additionalProperties": False},
    )


class SeriesTable(SeriesKeys):
    """What is forecast: one symbol or many of one source."""

    symbol: Symbol | None = None
    """The symbol, as the source knows it."""

    symbols: list[Symbol] | None = Field(default=None, min_length=1)
    """Many symbols of the same source."""

    symbols_file: str | None = Field(default=None, min_length=1)
    """A file with one symbol a line; # begins a comment."""

    name: Name | None = None
    """What the series is called; by default its symbol, with the field if that is not close."""

    model: dict[str, Any] = _overrides("model", ModelSettings)
    retrain: dict[str, Any] = _overrides("retrain", RetrainSettings)
    intervals: dict[str, Any] = _overrides("intervals", IntervalSettings)

    @model_validator(mode="after")
    def _one_way_to_name_symbols(self) -> Self:
        ways = [self.symbol, self.symbols, self.symbols_file]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("needs exactly one of symbol, symbols and symbols_file")
        if self.name is not None and self.symbol is None:
            raise ValueError(f"name = {self.name!r} needs one symbol, not many")
        return self

    def read_symbols(self, folder: Path) -> list[str]:
        """Return the symbols; a `symbols_file` is read relative to `folder`.

        Raises:
            ConfigError: the file cannot be read, is empty, or holds something else.
        """
        if self.symbols_file is not None:
            return _read_symbols_file((folder / Path(self.symbols_file).expanduser()).absolute())
        return [self.symbol] if self.symbol is not None else list(self.symbols or [])

    def resolved(self, folder: Path) -> Self:
        """Return the table with its symbols written out."""
        if self.symbols_file is None:
            return self
        symbols = self.read_symbols(folder)
        return self.model_copy(update={"symbols_file": None, "symbols": symbols})


def _read_symbols_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(
            f"series.symbols_file: {path} cannot be read: {reason}",
            remedy="write a text file with one symbol a line",
        ) from error
    symbols = []
    for number, line in enumerate(lines, start=1):
        symbol = line.partition("#")[0].strip()
        try:
            symbols += [_checked_symbol(symbol)] if symbol else []
        except ValueError as error:
            raise ConfigError(f"{path}, line {number}: {symbol!r} {error}") from error
    if not symbols:
        raise ConfigError(
            f"series.symbols_file: {path} holds no symbol", remedy="write one symbol a line"
        )
    return symbols


def _merge(
    table: Table, changes: Mapping[str, Any], where: str, faults: list[ConfigError]
) -> Table:
    """Return `table` with single keys changed, validated as a whole; what is wrong joins faults."""
    if not changes:
        return table
    try:
        return type(table).model_validate({**table.model_dump(), **changes})
    except ValidationError as error:
        faults += _faults(error, type(table), where)
        return table


def _faults(error: ValidationError, table: type[Table], where: str) -> list[ConfigError]:
    found = explain(error, table)
    return [ConfigError(each.line(where), remedy=each.remedy) for each in found]


def _name_of(table: SeriesTable, symbol: str, where: str) -> str:
    if table.name is not None:
        return table.name
    name = symbol if table.field == "close" else f"{symbol}.{table.field}"
    try:
        return _checked_name(name)
    except ValueError as error:
        raise ConfigError(
            f"{where}: the name {name!r}, made of the symbol, {error}",
            remedy="give the series a name of its own",
        ) from error


def _expand_table(
    table: SeriesTable,
    where: str,
    whole: Mapping[str, Table],
    folder: Path,
    faults: list[ConfigError],
) -> Iterator[SeriesSettings]:
    keys, before = table.model_dump(include=set(SeriesKeys.model_fields)), len(faults)
    merged = {
        key: _merge(settings, getattr(table, key), f"{where}: [series.{key}]", faults)
        for key, settings in whole.items()
    }
    for symbol in table.read_symbols(folder):
        name = _name_of(table, symbol, where)
        try:
            series = SeriesSettings.model_validate(
                {"name": name, "symbol": symbol, **keys, **merged}
            )
        except ValidationError as error:
            # Of keys that do not go together, and so the same for each symbol; where a table could
            # not be merged, they were not those that were meant.
            faults += _faults(error, SeriesSettings, where) if len(faults) == before else []
            return
        yield series


def expand_tables(
    tables: Sequence[SeriesTable], whole: Mapping[str, Table], folder: Path
) -> tuple[list[SeriesSettings], list[ConfigError]]:
    """Return every series that the tables name, and what is wrong with the tables.

    Args:
        tables: as written.
        whole: the global tables model, retrain and intervals, which the series override.
        folder: what a `symbols_file` is relative to.
    """
    found: dict[str, tuple[str, SeriesSettings]] = {}
    faults: list[ConfigError] = []
    for number, table in enumerate(tables, start=1):
        where = f"[[series]] {number}"
        try:
            for series in _expand_table(table, where, whole, folder, faults):
                here = (where, series)
                if found.setdefault(series.name, here) is not here:
                    faults.append(_same_name(found[series.name], here))
        except ConfigError as error:
            faults.append(error)
    return [series for _, series in found.values()], faults


def _same_name(one: tuple[str, SeriesSettings], other: tuple[str, SeriesSettings]) -> ConfigError:
    who = [f"{where} ({each.source} {each.symbol} {each.field})" for where, each in (one, other)]
    return ConfigError(
        f"two series are named {one[1].name!r}: {who[0]} and {who[1]}",
        remedy="give one of them another name",
    )
