"""What a child is told to do, and what its exit code says of how that went."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from forecaster.config import Amendment, Settings
from forecaster.config.toml import toml_key, toml_value
from forecaster.masking import hide_settings

DONE = 0
"""Everything that was due is done, or there was nothing to do."""
INCOMPLETE = 1
"""The ledger says of each series how it is: degraded, deferred or failed."""
REFUSED = 2
"""The configuration is wrong."""
BUSY = 3
"""Another process works on the database."""
MEMORY = 4
"""There was not enough of it."""
FAILED = 5
"""Something else went wrong as a whole; the last line tells what."""


@dataclass(frozen=True)
class Errand:
    """What a child is to do.

    Attributes:
        settings: in force.
        calendars: whose sessions it works; None for all.
        plugins: the only plugins or distributions that may load; None for all.
        avoid: sources that are not asked, because an earlier child hung there.
        amendments: of the calendars; None: what the closures file says then.
    """

    settings: Settings
    calendars: tuple[str, ...] | None
    plugins: tuple[str, ...] | None
    avoid: tuple[str, ...] = ()
    amendments: tuple[Amendment, ...] | None = None


def write_errand(errand: Errand, parent: int) -> bytes:
    """Return an errand on one line, with the process that gives it.

    The settings are TOML within JSON, and come back through the same door as those of a file:
    JSON has no dates, and no numbers that are not finite.
    """
    tables = _without_none(errand.settings.model_dump(exclude_unset=True))
    toml = "\n".join(f"{toml_key(name)} = {toml_value(each)}" for name, each in tables.items())
    document = {
        "parent": parent,
        "folder": str(errand.settings.folder),
        "settings": toml,
        "calendars": errand.calendars,
        "plugins": errand.plugins,
        "avoid": errand.avoid,
        "amendments": errand.amendments and [asdict(one) for one in errand.amendments],
    }
    return json.dumps(document, default=str).encode() + b"\n"


def read_errand(line: bytes) -> tuple[Errand, int]:
    """Return an errand and the process that gives it; its secrets are masked from now on."""
    document = json.loads(line)
    tables = tomllib.loads(document["settings"])
    hide_settings(tables)
    settings = Settings.model_validate({**tables, "folder": Path(document["folder"])})
    calendars, plugins = document["calendars"], document["plugins"]
    amendments = document["amendments"]
    errand = Errand(
        settings,
        None if calendars is None else tuple(calendars),
        None if plugins is None else tuple(plugins),
        tuple(document["avoid"]),
        None if amendments is None else tuple(_amendment(**one) for one in amendments),
    )
    return errand, document["parent"]


def _amendment(day: str, close: str | None, **rest: Any) -> Amendment:
    until = None if close is None else time.fromisoformat(close)
    return Amendment(day=date.fromisoformat(day), close=until, **rest)


def _without_none(value: Any) -> Any:
    """Return tables without the keys that are not set, which TOML does not know."""
    if isinstance(value, Mapping):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value
