"""The settings, one model a table; the defaults that the program runs with are these."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from forecaster.config.closures import Amendment, read_closures
from forecaster.config.explain import first_and_count
from forecaster.config.location import absolute_url, is_database
from forecaster.config.series import SeriesSettings, SeriesTable, expand_tables
from forecaster.config.tables import IntervalSettings, ModelSettings, RetrainSettings, Table
from forecaster.errors import ConfigError

RivalName = Literal["naive", "seasonal", "drift", "AutoETS", "AutoTheta", "AutoARIMA", "GARCH"]

CLOSURES = "closures.txt"
"""What is read beside the configuration where `[schedule] closures` names nothing else."""


class ScheduleSettings(Table):
    """When the job runs, what is made up for, and how far back a new series starts."""

    initial_backfill: int = Field(
        default=60, ge=0, description="Past sessions that a new series is first walked over."
    )
    settle_delay: int = Field(
        default=120,
        ge=0,
        le=10_080,
        description="Minutes after a session's close until its bar counts as final.",
    )
    catch_up: Literal["all", "latest"] | Annotated[int, Field(ge=1)] = Field(
        default="all",
        description="Sessions made up for after a downtime, each with the bars known by then: all, "
        "the latest alone, or that many of the newest. The others are noted as missed.",
    )
    give_up: int = Field(
        default=720,
        ge=0,
        le=10_080,
        description="Minutes after a session was due during which what could not be done is tried "
        "again. Then the last value is forecast, with its spread, and marked as a fallback.",
    )
    closures: str | None = Field(
        default=None,
        min_length=1,
        description="A file that amends calendars, one day a line: XNYS 2025-01-09 closed, or "
        "XBOM 2025-02-01 open 10:00. By default closures.txt, where there is one.",
    )


class DaemonSettings(Table):
    """The process that runs the job for ever."""

    deadline: float = Field(
        default=30.0,
        gt=0,
        le=1440,
        description="Minutes that the work on one session may take; then it is ended and tried "
        "again.",
    )
    memory: int | None = Field(
        default=None,
        ge=512,
        description="Megabytes of address space for the process that works, and for each of its "
        "workers. No limit by default.",
    )
    port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Of this machine alone (127.0.0.1), where /healthz and /metrics are served; 0 "
        "takes a free one. Nothing is served by default.",
    )
    log: str | None = Field(
        default=None,
        min_length=1,
        description="A file for the log, which is standard error otherwise.",
    )
    log_size: int = Field(
        default=10, ge=1, description="Megabytes after which the log begins a new file; 5 are kept."
    )


class DatabaseSettings(Table):
    """Where the ledger is."""

    url: str = Field(
        default="forecaster.db",
        min_length=1,
        description="A file beside the configuration, or an SQLAlchemy URL. A password belongs in "
        "the environment variable FORECASTER_DATABASE_URL.",
    )

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not is_database(url):
            raise ValueError("must be a file without ?, or begin with sqlite:// or postgresql://")
        return url


class ExecutorSettings(Table):
    """Who trains the series."""

    name: str = Field(
        default="local", min_length=1, description="The executor plugin that trains the series."
    )


class BacktestSettings(Table):
    """What a backtest covers."""

    cutoffs: int = Field(default=250, ge=1, description="The newest cutoffs that are evaluated.")
    split: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Train once on this share of the sessions and evaluate on the rest.",
    )
    against: list[RivalName] = Field(
        default_factory=list,
        description="Other methods that are evaluated beside: naive, which always is, seasonal, "
        "drift, and with the extra `bench` AutoETS, AutoTheta, AutoARIMA and GARCH.",
    )


class PluginSettings(Table):
    """Where plugins are, and one table of free options for each: [plugins.NAME]."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    dirs: list[str] = Field(
        default_factory=list,
        description="Folders with further plugins, as Python files or packages.",
    )

    def tables(self) -> list[str]:
        """Return the plugins that have a table of options."""
        return list(self.__pydantic_extra__)

    def options(self, name: str) -> dict[str, Any]:
        """Return the options of `[plugins.NAME]`, none if there is no such table."""
        return dict(self.__pydantic_extra__.get(name, {}))


def default_reporters() -> dict[str, dict[str, Any]]:
    """Return the reporters of a file that names none."""
    return {"console": {}, "html": {"folder": "report"}}


class Settings(Table):
    """Everything that config.toml says."""

    database: DatabaseSettings = DatabaseSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    model: ModelSettings = ModelSettings()
    retrain: RetrainSettings = RetrainSettings()
    intervals: IntervalSettings = IntervalSettings()
    executor: ExecutorSettings = ExecutorSettings()
    daemon: DaemonSettings = DaemonSettings()
    backtest: BacktestSettings = BacktestSettings()
    plugins: PluginSettings = PluginSettings()
    reporters: dict[str, dict[str, Any]] = Field(
        default_factory=default_reporters,
        description="The reporters that tell of each run, a table of options for each.",
    )
    series: list[SeriesTable] = Field(
        default_factory=list, description="What is forecast: one table names one symbol or many."
    )
    # Not a key of the file: where the file is, which relative paths are relative to.
    folder: SkipJsonSchema[Path] = Field(default_factory=Path.cwd, exclude=True)

    def each_series(self) -> list[SeriesSettings]:
        """Return every series, with the global tables and its own overrides merged.

        Raises:
            ConfigError: a name is claimed twice, or a list of symbols cannot be read.
        """
        series, faults = self.expanded()
        if faults:
            message, remedy = first_and_count([(each.message, each.remedy) for each in faults])
            raise ConfigError(message, remedy=remedy)
        return series

    def expanded(self) -> tuple[list[SeriesSettings], list[ConfigError]]:
        """Return every series, and all that is wrong with the tables that name them."""
        whole = {"model": self.model, "retrain": self.retrain, "intervals": self.intervals}
        return expand_tables(self.series, whole, self.folder)

    def resolved(self) -> Self:
        """Return the settings as they are now, whatever happens to the lists of symbols later.

        Raises:
            ConfigError: see `each_series`.
        """
        tables = [table.resolved(self.folder) for table in self.series]
        found = self.model_copy(update={"series": tables})
        found.each_series()
        return found

    def amendments(self) -> tuple[Amendment, ...]:
        """Return the days on which calendars are to be closed or open otherwise.

        Raises:
            ConfigError: the file is wrong, or it is named and not there.
        """
        named = self.schedule.closures
        path = (self.folder / Path(named or CLOSURES).expanduser()).absolute()
        return read_closures(path) if named or path.exists() else ()

    def database_url(self) -> str:
        """Return the URL of the database; a file becomes an absolute sqlite URL."""
        return absolute_url(self.database.url, self.folder)

    def plugin_dirs(self) -> list[Path]:
        """Return the folders of `[plugins] dirs`, absolute."""
        return [(self.folder / Path(each).expanduser()).absolute() for each in self.plugins.dirs]
