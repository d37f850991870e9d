"""How the environment overrides keys of the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.config import Settings, check_settings, load_settings

Write = Callable[[str], Path]


@pytest.mark.parametrize(
    "variable", ["FORECASTER_MODEL_HIDDEN_SIZE", "FORECASTER_MODEL__HIDDEN_SIZE"]
)
def test_one_or_two_underscores_name_a_key(write: Write, variable: str) -> None:
    """Table and key may stand one or two underscores apart."""
    path = write("[model]\nhidden_size = 3\nepochs = 4")
    settings = load_settings(path, environ={variable: "64"})
    assert (settings.model.hidden_size, settings.model.epochs) == (64, 4)


@pytest.mark.parametrize(
    ("variable", "text", "where"),
    [
        ("FORECASTER_MODEL_OPTIMIZER", "sgd", ("model", "optimizer", "sgd")),
        ("FORECASTER_MODEL_OPTIMIZER", '"sgd"', ("model", "optimizer", "sgd")),
        ("FORECASTER_MODEL_ACTIVATION", "1", ("model", "activation", "1")),
        ("FORECASTER_RETRAIN_EVERY", "never", ("retrain", "every", "never")),
        ("FORECASTER_RETRAIN_EVERY", "5", ("retrain", "every", 5)),
        ("FORECASTER_SCHEDULE_INITIAL_BACKFILL", "0", ("schedule", "initial_backfill", 0)),
        ("FORECASTER_PLUGINS_DIRS", '["a", "b"]', ("plugins", "dirs", ["a", "b"])),
        ("FORECASTER_BACKTEST_SPLIT", "0.8", ("backtest", "split", 0.8)),
    ],
)
def test_a_value_is_toml_or_else_a_string(
    write: Write, variable: str, text: str, where: tuple[str, str, object]
) -> None:
    """Numbers and lists are written as in TOML, words without quotes."""
    table, key, value = where
    settings = load_settings(write(""), environ={variable: text})
    assert getattr(getattr(settings, table), key) == value


def test_options_of_plugins_and_reporters_can_be_set(write: Write) -> None:
    """Free options go by plugin name and key; the other reporters stay."""
    environ = {
        "FORECASTER_PLUGINS_CSV_DATE_COLUMN": "Day",
        "FORECASTER_PLUGINS__MY_SOURCE__TOKEN": "canary",
        "FORECASTER_REPORTERS_HTML_FOLDER": "other",
        "FORECASTER_REPORTERS_MAIL": "{}",
    }
    settings = load_settings(write(""), environ=environ)
    assert settings.plugins.options("csv") == {"date_column": "Day"}
    assert settings.plugins.options("my_source") == {"token": "canary"}
    assert settings.reporters == {"console": {}, "html": {"folder": "other"}, "mail": {}}
    assert Settings().reporters["html"] == {"folder": "report"}


def test_other_variables_are_left_alone(write: Write) -> None:
    """A variable whose first word is no table means something else."""
    others = (
        "FORECASTER_CONFIG",
        "FORECASTER_TEST_DATA",
        "FORECASTER_MODELS",
        "FORECASTER_PLUGINS",
    )
    environ = dict.fromkeys([*others, "FORECASTER_", "MODEL_EPOCHS", "forecaster_model_x"], "x")
    assert check_settings(write(""), environ=environ) == []


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("FORECASTER_MODEL_HIDEN_SIZE", "3", "setting; did you mean FORECASTER_MODEL_HIDDEN_SIZE?"),
        ("FORECASTER_DATABASE", "x", "names no setting; did you mean FORECASTER_DATABASE_URL?"),
        ("FORECASTER_PLUGINS_DIR", "x", "names no setting; did you mean FORECASTER_PLUGINS_DIRS?"),
        ("FORECASTER_SERIES_SYMBOL", "A", "series stand in the file only"),
        ("FORECASTER_MODEL_EPOCHS", "x", ": model.epochs = 'x': must be a whole number"),
        (
            "FORECASTER_MODEL_EPOCHS",
            "1\nseed = 2",
            "model.epochs = '1\\nseed = 2': must be a whole",
        ),
        ("FORECASTER_MODEL_EPOCHS", "", ": model.epochs = '': must be a whole number"),
        ("FORECASTER_PLUGINS_CSV", "x", "names no setting"),
    ],
)
def test_a_bad_variable_is_named(write: Write, variable: str, text: str, expected: str) -> None:
    """A fault of the environment names the variable, not the file."""
    (line,) = check_settings(write(""), environ={variable: text})
    assert line.startswith(f"environment variable {variable}")
    assert expected in line


def test_two_variables_for_one_key_must_agree(write: Write) -> None:
    """Two spellings of one key with different values are refused."""
    environ = {"FORECASTER_MODEL_EPOCHS": "1", "FORECASTER_MODEL__EPOCHS": "2"}
    (line,) = check_settings(write(""), environ=environ)
    assert (
        line == "environment variables FORECASTER_MODEL_EPOCHS and FORECASTER_MODEL__EPOCHS differ"
    )


def test_a_table_in_the_way_is_reported_once(write: Write) -> None:
    """Overriding a key of what is no table in the file is a fault of the file."""
    (line,) = check_settings(write("model = 3"), environ={"FORECASTER_MODEL_EPOCHS": "1"})
    assert "config.toml: model = 3: must be a table" in line


def test_an_override_leaves_the_defaults_alone(write: Write) -> None:
    """Defaults are the same after an override as before."""
    load_settings(write(""), environ={"FORECASTER_MODEL_EPOCHS": "1"})
    assert load_settings(write(""), environ={}).model.epochs == 12
