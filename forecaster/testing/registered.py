"""Checks of what plugins provide, as they are found and configured."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from forecaster.config import Settings, near
from forecaster.errors import ConfigError, ForecasterError, PluginError
from forecaster.hooks import Kind, Registry, Source
from forecaster.hooks.problem import attempt
from forecaster.testing.activations import check_activation
from forecaster.testing.executors import check_executor
from forecaster.testing.sources import check_source, check_source_class

OK, FAILED = "ok", "failed"
SHAPE_ONLY = "shape only"  # a reporter would tell somebody
OPTIONS_ONLY = "options only"  # a source that was not asked for a symbol


@dataclass(frozen=True)
class Finding:
    """What came of a check.

    Attributes:
        kind: source, activation, reporter or executor; None for the plugin as a whole.
        name: of the thing; None for the plugin as a whole.
        plugin: that provides it.
        result: ok; shape only or options only, where nothing more was looked at; failed.
        problem: what is wrong, if it failed.
    """

    kind: Kind | None
    name: str | None
    plugin: str
    result: str
    problem: str | None

    def __str__(self) -> str:
        what = f"{self.kind} {self.name} of plugin {self.plugin}" if self.kind else self.plugin
        return f"{what}: {self.problem or self.result}"


def check_registered(
    registry: Registry, settings: Settings, name: str, symbol: str | None = None
) -> list[Finding]:
    """Check everything of this name, and all that a plugin of this name provides.

    Args:
        registry: where plugins are found.
        settings: with the options of executors and sources.
        name: of a thing, or of a plugin.
        symbol: what to ask sources for; without it only those that read this machine are asked,
            for the first symbol that a series has of them.

    Raises:
        ConfigError: nothing has this name.
    """
    loaded = registry.plugins()
    findings = [
        _checked(registry, settings, kind, thing, plugin.name, symbol)
        for plugin in loaded
        for kind, thing in plugin.provides
        if name in (plugin.name, thing)
    ]
    told = {each.problem for each in findings}
    findings += [
        Finding(None, None, each.plugin, FAILED, each.message)
        for each in registry.problems
        if each.plugin == name and each.message not in told
    ]
    if not findings and name in {plugin.name for plugin in loaded}:
        findings = [Finding(None, None, name, FAILED, "provides nothing")]
    return findings or _refuse(registry, name)


def _refuse(registry: Registry, name: str) -> list[Finding]:
    known = {plugin.name for plugin in registry.plugins()}
    known |= {thing for plugin in registry.plugins() for _, thing in plugin.provides}
    broken = sorted({each.plugin for each in registry.problems})
    troubled = f" (plugins with problems: {', '.join(broken)})" if broken else ""
    raise ConfigError(
        f"no plugin is named {name!r}, and none provides anything of that name",
        remedy=near(name, known | set(broken)) + troubled,
        code="unknown_plugin",
    )


def _checked(
    registry: Registry,
    settings: Settings,
    kind: Kind,
    name: str,
    plugin: str,
    symbol: str | None,
) -> Finding:
    try:
        thing = getattr(registry, kind)(name)
    except PluginError as error:  # another plugin claims the name too
        return Finding(kind, name, plugin, FAILED, error.message)
    if kind == "activation":
        trouble = _trouble(partial(check_activation, thing))
    elif kind == "executor":
        trouble = _trouble(partial(_check_configured, thing, settings))
    elif kind == "source":
        symbol = symbol or _own_symbol(thing, settings)
        trouble = _trouble(partial(_check_source, thing, settings, symbol))
        if not trouble and symbol is None:
            return Finding(kind, name, plugin, OPTIONS_ONLY, None)
    else:  # the registry has looked at its shape before it offered it
        return Finding(kind, name, plugin, SHAPE_ONLY, None)
    return Finding(kind, name, plugin, FAILED if trouble else OK, trouble or None)


def _check_configured(executor: Callable[..., object], settings: Settings) -> None:
    """Check an executor as the job would make it."""
    name = str(getattr(executor, "name", ""))
    check_executor(executor(settings.plugins.options(name), settings.folder))  # type: ignore[arg-type]


def _own_symbol(source: type[Source], settings: Settings) -> str | None:
    """Return a symbol that a series has of a source, if asking for it sends nothing."""
    if getattr(source, "local", False) is not True:
        return None
    symbols = (one.symbol for one in settings.each_series() if one.source == source.name)
    return next(symbols, None)


def _check_source(source: type[Source], settings: Settings, symbol: str | None) -> None:
    """Check a source as the job would make it."""
    options = settings.plugins.options(source.name)
    if symbol is None:
        check_source_class(source, options)
    else:
        check_source(source(options, settings.folder), symbol, options=options)


def _trouble(check: Callable[[], None]) -> str:
    """What a check found, or what happened instead."""

    def found() -> str:
        try:
            check()
        except (AssertionError, ForecasterError) as error:
            return " ".join(str(error).split())
        return ""

    told, trouble = attempt(found, "when checked")
    return told or trouble
