"""What may stand in the table [plugins.database], and what a query has to be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from forecaster.errors import ConfigError
from forecaster.hooks import Options, read_options

SECTION = "[plugins.database]"
PARAMETERS = frozenset({"symbol", "start", "end"})
# What stands in quotes, or in a comment, is no word of the query.
QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
READING = re.compile(r"\s*\(*\s*(select|with)\b", re.IGNORECASE)
# What SQLAlchemy takes for a parameter, in quotes and comments too.
PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


class DatabaseOptions(Options):
    """The table [plugins.database]."""

    url: str
    """An SQLite file, or an SQLAlchemy URL; with a password only in the environment variable
    FORECASTER_PLUGINS_DATABASE_URL."""
    query: str
    """One SELECT with :symbol and, best, :start and :end; docs/configuration.md says what it
    returns."""
    historical: bool = False
    """Whether the last row counts as today; true when the table is not kept up to date."""
    timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds for connecting, and for the query, where the database can be told."""
    rows: int = Field(default=100_000, ge=1)
    """Rows that one symbol may have at most."""


def read_database_options(options: Mapping[str, Any]) -> DatabaseOptions:
    """Return the options, raising ConfigError where one is bad or the query does more than read."""
    found = read_options(DatabaseOptions, options, SECTION.strip("[]"))
    bare = QUOTED.sub(" ", found.query).strip().rstrip("; \t\r\n")
    if not READING.match(bare) or ";" in bare:
        raise ConfigError(
            f"{SECTION} query is not one SELECT", remedy="write one; it only reads", code="query"
        )
    strange = sorted(set(PARAMETER.findall(found.query)) - PARAMETERS)
    if strange or "symbol" not in PARAMETER.findall(bare):
        what = f"uses :{', :'.join(strange)}" if strange else "has no :symbol"
        raise ConfigError(
            f"{SECTION} query {what}",
            remedy="it is given :symbol, :start and :end; write CAST(:start AS date), not ::date",
            code="query",
        )
    return found
