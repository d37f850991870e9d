"""How the effective settings and their schema are shown."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forecaster.config import Settings, schema, settings_toml, show_settings
from forecaster.errors import ConfigError

Write = Callable[[str], Path]
TEXT = """
[model]
epochs = 7
[[series]]
source = "s"
symbol = "A"
model = { lookback = 9 }
[plugins.web]
api_key = "canary"
mirrors = ["https://me:canary@host/", "https://host/"]
"my key" = 2020-01-02
"""


def test_each_setting_has_its_origin(write: Write) -> None:
    """Each key says whether it is a default or where it was set."""
    environ = {"FORECASTER_MODEL_SEED": "5"}
    lines = show_settings(write(TEXT), environ=environ, database="/d.db")
    found = {(each.table, each.key): (each.value, each.origin) for each in lines}
    assert found["model", "epochs"] == (7, "file")
    assert found["model", "seed"] == (5, "environment variable FORECASTER_MODEL_SEED")
    assert found["model", "lookback"] == (10, "default")
    assert found["database", "url"] == ("/d.db", "--database")
    assert found["backtest", "split"] == (None, "default")
    assert found["series", "model"] == ({"lookback": 9}, "file")
    assert found["reporters.console", ""] == (None, "default")


def test_what_is_shown_is_toml_again(write: Write) -> None:
    """The listing, read as a file, gives the same settings but for what is masked."""
    shown = settings_toml(show_settings(write(TEXT), environ={}))
    again = tomllib.loads(shown)
    again["plugins"]["web"] = tomllib.loads(TEXT)["plugins"]["web"]
    assert Settings.model_validate(again) == Settings.model_validate(tomllib.loads(TEXT))


def test_secrets_are_masked(write: Write) -> None:
    """A password of a URL and an option named like a secret are not shown."""
    environ = {
        "FORECASTER_DATABASE_URL": "postgresql://me:canary@host/name?password=canary",
        "FORECASTER_PLUGINS__WEB__TOKEN": "canary",
    }
    shown = settings_toml(show_settings(write(TEXT), environ=environ))
    assert "canary" not in shown
    assert 'url = "postgresql://me:***@host/name?password=***"' in shown


def test_settings_with_faults_are_not_shown(write: Write) -> None:
    """A file with faults is refused with the first of them."""
    with pytest.raises(ConfigError, match=r"model.epochs = 0"):
        show_settings(write("[model]\nepochs = 0"), environ={})


def _properties(part: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return every property in a schema with its path."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "properties":
                found += [(f"{path}.{name}", each) for name, each in value.items()]
            found += _properties(value, f"{path}.{key}")
    return found


def test_every_key_of_the_schema_is_described() -> None:
    """Each key has a description of its own, or its table has one."""
    document = schema()
    json.dumps(document)
    properties = _properties(document)
    assert len(properties) > 60
    for path, each in properties:
        table = document["$defs"].get(each.get("$ref", "").removeprefix("#/$defs/"), {})
        assert each.get("description") or table.get("description"), path


def test_the_schema_knows_the_overrides_of_a_series() -> None:
    """An editor completes the keys of [series.model]; they have no default there."""
    document = schema()
    model = document["$defs"]["SeriesTable"]["properties"]["model"]
    assert set(model["properties"]) == set(document["$defs"]["ModelSettings"]["properties"])
    assert model["additionalProperties"] is False
    assert "default" not in model["properties"]["lookback"]
    assert "folder" not in document["properties"]


def test_the_schema_names_the_table_that_a_series_overrides() -> None:
    """The description of an override names the table of the file, [intervals] too."""
    properties = schema()["$defs"]["SeriesTable"]["properties"]
    for name in ("model", "retrain", "intervals"):
        assert f"[{name}]" in properties[name]["description"]
