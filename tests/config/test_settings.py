"""What the settings are and where their relative paths lead."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from forecaster.config import ModelSettings, Settings, load_settings


def test_defaults_are_those_of_an_empty_file(write: Callable[[str], Path]) -> None:
    """An empty file is a configuration without series and with every default."""
    settings = load_settings(write(""), environ={})
    assert settings.each_series() == []
    assert settings.model == ModelSettings()
    assert settings.reporters == {"console": {}, "html": {"folder": "report"}}


def test_settings_do_not_change() -> None:
    """A setting cannot be assigned to."""
    with pytest.raises(ValidationError):
        Settings().model.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("forecaster.db", "sqlite:////home/me/forecaster.db"),
        ("/data/a.db", "sqlite:////data/a.db"),
        ("sqlite:///a.db?timeout=3", "sqlite:////home/me/a.db?timeout=3"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://host/name", "postgresql+psycopg://host/name"),
    ],
)
def test_database_file_is_beside_the_configuration(url: str, expected: str) -> None:
    """A relative database file is below the folder of the configuration; a URL stays as it is."""
    settings = Settings.model_validate({"database": {"url": url}, "folder": Path("/home/me")})
    assert settings.database_url() == expected


def test_plugin_folders_are_beside_the_configuration() -> None:
    """A relative folder of plugins is below the folder of the configuration."""
    settings = Settings.model_validate(
        {"plugins": {"dirs": ["mine", "/other"]}, "folder": Path("/home/me")}
    )
    assert settings.plugin_dirs() == [Path("/home/me/mine"), Path("/other")]


def test_options_of_a_plugin_are_its_table() -> None:
    """Options of a plugin are free; one without a table has none."""
    settings = Settings.model_validate({"plugins": {"csv": {"folder": "."}}})
    assert settings.plugins.options("csv") == {"folder": "."}
    assert settings.plugins.options("yahoo") == {}


def test_importing_settings_loads_nothing_heavy() -> None:
    """Importing settings and hooks loads none of the numeric libraries."""
    heavy = "{'numpy', 'scipy', 'pandas', 'sklearn', 'yfinance', 'sqlalchemy', 'plotly'}"
    code = f"import sys, forecaster.config, forecaster.hooks; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"multi_step": "recursive", "extra_inputs": ["volume"]}, "knows the next value of no"),
        ({"multi_step": "recursive", "extra_inputs": ["averages"]}, "or extra_inputs empty"),
        ({"multi_step": "recursive", "loss": "pinball"}, "must go with multi_step = 'direct'"),
        ({"inputs": "minmax", "loss": "pinball"}, "inputs = 'returns'"),
        ({"extra_inputs": ["volume", "volume"]}, "each only once"),
        ({"extra_inputs": ["moon"]}, "extra_inputs"),
        ({"learning_rate": 2.0, "weight_decay": 0.5}, "must be under 1"),
        ({"lookback": 1900, "hidden_size": 4096}, "takes about 135 GB to train: must be at most 4"),
    ],
)
def test_settings_of_the_network_that_cannot_go_together_are_refused(
    keys: dict[str, object], reason: str
) -> None:
    """With what would go instead."""
    with pytest.raises(ValidationError, match=reason):
        ModelSettings.model_validate(keys)


def test_a_recursive_network_is_taught_one_step() -> None:
    """A direct one as many as it forecasts."""
    assert ModelSettings(horizon=7).targets == 7
    assert ModelSettings(horizon=7, multi_step="recursive").targets == 1


@pytest.mark.parametrize(
    ("keys", "extras"),
    [
        ({}, ("averages",)),
        ({"extra_inputs": []}, ()),
        ({"extra_inputs": ["weekday", "range"]}, ("weekday", "range")),
        ({"multi_step": "recursive"}, ()),
        ({"inputs": "window"}, ()),
        ({"inputs": "minmax"}, ()),
        ({"inputs": "minmax", "extra_inputs": ["averages"]}, ("averages",)),
    ],
)
def test_averages_are_read_where_they_can_be(
    keys: dict[str, object], extras: tuple[str, ...]
) -> None:
    """By default with returns forecast directly; what is named is what is read."""
    assert ModelSettings.model_validate(keys).extras == extras
