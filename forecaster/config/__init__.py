"""Settings: from config.toml, environment variables and defaults, each error in one line."""

from forecaster.config.closures import Amendment
from forecaster.config.edit import add_series, create_config, template
from forecaster.config.explain import explain, first_and_count, near
from forecaster.config.load import check_settings, load_settings
from forecaster.config.series import SeriesSettings, SeriesTable
from forecaster.config.settings import (
    BacktestSettings,
    DatabaseSettings,
    ExecutorSettings,
    PluginSettings,
    RivalName,
    ScheduleSettings,
    Settings,
)
from forecaster.config.show import SettingLine, schema, settings_toml, show_settings
from forecaster.config.tables import IntervalSettings, ModelSettings, RetrainSettings

__all__ = [
    "Amendment",
    "BacktestSettings",
    "DatabaseSettings",
    "ExecutorSettings",
    "IntervalSettings",
    "ModelSettings",
    "PluginSettings",
    "RetrainSettings",
    "RivalName",
    "ScheduleSettings",
    "SeriesSettings",
    "SeriesTable",
    "SettingLine",
    "Settings",
    "add_series",
    "check_settings",
    "create_config",
    "explain",
    "first_and_count",
    "load_settings",
    "near",
    "schema",
    "settings_toml",
    "show_settings",
    "template",
]
