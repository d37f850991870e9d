"""Prices from any database: one query of the user's own, through SQLAlchemy.

It only reads: one SELECT with bound parameters, in a transaction that is rolled back, and as
read-only as the database can make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from forecaster import hookimpl
from forecaster.config.location import absolute_url
from forecaster.errors import DataError, SourceError
from forecaster.hooks import Quotes, Source

from ..dates import between
from .options import SECTION, DatabaseOptions, read_database_options

__all__ = ["DatabaseOptions", "DatabaseSource"]

# Where nothing is asked for; the oldest that every database has.
FIRST, LAST = date(1000, 1, 1), date(9999, 12, 31)


class DatabaseSource:
    """A query that returns the sessions of one symbol."""

    name: ClassVar[str] = "database"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        from .connection import Database  # noqa: PLC0415 - listing the plugins does not need it

        self._options = read_database_options(options)
        url = absolute_url(self._options.url, folder)
        self._database = Database(url, self._options.timeout)

    def fetch(self, symbol: str, start: date | None, end: date | None) -> Quotes:
        """Return what the query finds for a symbol; see Source."""
        from .answer import Answer  # noqa: PLC0415 - as above

        found = self._database.select(
            self._options.query, self._values(symbol, start, end), self._options.rows + 1
        )
        answer = Answer(*found)
        if len(answer.rows) > self._options.rows:
            raise DataError(
                f"the query of {SECTION} finds more than {self._options.rows} rows for {symbol!r}",
                remedy="let it use :symbol, or raise `rows`",
                code="too_many_rows",
            )
        if not answer.rows and (start, end) == (None, None):
            raise SourceError(
                f"the query of {SECTION} finds no row for {symbol!r}",
                remedy="look for the symbol in the database, or correct the query",
                code="unknown_symbol",
            )
        bars, actions = answer.frames()
        return Quotes(
            between(bars, start, end),
            actions=None if actions is None else between(actions, start, end),
            calendar=answer.label("calendar"),
            currency=answer.label("currency"),
            historical=self._options.historical,
        )

    def _values(self, symbol: str, start: date | None, end: date | None) -> dict[str, Any]:
        first, last = start or FIRST, end or LAST
        if self._database.is_sqlite:  # where dates are text
            return {"symbol": symbol, "start": first.isoformat(), "end": last.isoformat()}
        return {"symbol": symbol, "start": first, "end": last}


@hookimpl
def forecaster_sources() -> list[type[Source]]:
    """Register the source `database`."""
    return [DatabaseSource]
