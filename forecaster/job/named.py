"""What the configuration names must exist: sources, activations, reporters, executors."""

from collections.abc import Callable, Mapping
from typing import Any

from forecaster.config import SeriesSettings, Settings, near
from forecaster.errors import ConfigError, PluginError
from forecaster.hooks import Executor, Registry, Reporter
from forecaster.job.foreign import foreign
from forecaster.market import Calendars, get_calendar


def require_plugins(registry: Registry, settings: Settings) -> None:
    """Refuse a configuration that names a plugin which nothing could provide.

    Raises:
        ConfigError: naming the first such plugin and who names it.
    """
    for one in settings.each_series():
        require_for_series(registry, one)
    require_companions(registry, settings)
    Calendars(settings.amendments()).check()


def require_companions(registry: Registry, settings: Settings) -> None:
    """Refuse reporters and an executor that nothing could provide, or with a wrong option."""
    for name, options in settings.reporters.items():
        _require(registry, registry.reporter, name, f"[reporters.{name}]")
        _construct(registry.reporter, name, options, settings)
    _require_owners(registry, settings)
    name = settings.executor.name
    _require(registry, registry.executor, name, "[executor] name")
    _construct(registry.executor, name, settings.plugins.options(name), settings)


def require_for_series(registry: Registry, wanted: SeriesSettings) -> None:
    """Refuse a source, an activation or a calendar that nothing could provide."""
    require_source(registry, wanted)
    require_activation(registry, wanted)
    if wanted.calendar is None:
        return
    try:
        get_calendar(wanted.calendar)
    except ConfigError as error:
        raise ConfigError(
            f"series {wanted.name}: {error.message}", remedy=error.remedy, code=error.code
        ) from error


def require_source(registry: Registry, wanted: SeriesSettings) -> None:
    """Refuse a source that no plugin, working or broken, could provide."""
    _require(registry, registry.source, wanted.source, f"series {wanted.name}")


def require_activation(registry: Registry, wanted: SeriesSettings) -> None:
    """Refuse an activation that no plugin, working or broken, could provide."""
    _require(registry, registry.activation, wanted.model.activation, f"series {wanted.name}")


def _require(registry: Registry, resolve: Callable[[str], object], name: str, who: str) -> None:
    try:
        resolve(name)
    except PluginError as error:
        # The name may belong to a plugin that failed to load: what needs it fails, alone.
        if not registry.problems:
            raise ConfigError(
                f"{who}: {error.message}", remedy=error.remedy, code=error.code
            ) from error


def _require_owners(registry: Registry, settings: Settings) -> None:
    """Refuse a table of options that no source and no executor reads."""
    owners = [*registry.provided("source"), *registry.provided("executor")]
    for name in settings.plugins.tables():
        if name not in owners and not registry.problems:
            raise ConfigError(
                f"[plugins.{name}] belongs to no plugin", remedy=near(name, owners),
                code="unknown_plugin",
            )  # fmt: skip


def _construct(
    resolve: Callable[[str], type[Reporter] | type[Executor]],
    name: str,
    options: Mapping[str, Any],
    settings: Settings,
) -> None:
    """Make a plugin once for the sake of its options; whatever else it raises is told later."""
    try:
        resolve(name)(options, settings.folder)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        foreign(f"plugin {name}", error)
