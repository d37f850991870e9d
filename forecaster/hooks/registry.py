"""Find plugins, ask each alone what it provides, and resolve names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pluggy import HookImpl, PluginManager

from forecaster.config import near
from forecaster.errors import PluginError
from forecaster.hooks import specs
from forecaster.hooks.discovery import Candidate, find_candidates
from forecaster.hooks.problem import PluginProblem, attempt
from forecaster.hooks.shape import misfit

if TYPE_CHECKING:
    from forecaster.hooks.contracts import Executor, Reporter, Source
    from forecaster.model import Activation

Kind = Literal["source", "activation", "reporter", "executor"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Places:
    """Where plugins are looked for; with these another process finds the same ones.

    Attributes:
        dirs: folders whose Python files and packages are plugins.
        only: names of plugins or distributions; no other is loaded. None allows all.
    """

    dirs: tuple[Path, ...] = ()
    only: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Provided:
    """Something that a plugin provides, and which plugin that is."""

    value: Any
    plugin: str
    where: str


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin that was loaded.

    Attributes:
        name: of its entry point, or of its file.
        distribution: that installed it; empty for a file of `[plugins] dirs`.
        version: of the distribution.
        path: its module, or its file.
        provides: (kind, name) of each thing.
    """

    name: str
    distribution: str
    version: str
    path: str
    provides: tuple[tuple[Kind, str], ...]


class Registry:
    """What the plugins provide; made by `build_registry`, loads when first asked."""

    def __init__(self, pluggy: PluginManager, places: Places) -> None:
        self.places = places
        self._pluggy = pluggy
        self._loaded: dict[str, Candidate] | None = None
        self._claims: dict[Kind, dict[str, list[Provided]]] = {}
        self._problems: list[PluginProblem] = []

    def source(self, name: str) -> type[Source]:
        """Return the source of that name, or raise PluginError."""
        source: type[Source] = self._resolve("source", name)
        return source

    def activation(self, name: str) -> Activation:
        """Return the activation of that name, or raise PluginError."""
        activation: Activation = self._resolve("activation", name)
        return activation

    def reporter(self, name: str) -> type[Reporter]:
        """Return the reporter of that name, or raise PluginError."""
        reporter: type[Reporter] = self._resolve("reporter", name)
        return reporter

    def executor(self, name: str) -> type[Executor]:
        """Return the executor of that name, or raise PluginError."""
        executor: type[Executor] = self._resolve("executor", name)
        return executor

    def provided(self, kind: Kind) -> dict[str, Provided]:
        """Return what is provided, by name; a name claimed twice is left out."""
        return {name: each[0] for name, each in self._claimed(kind).items() if len(each) == 1}

    def plugins(self) -> list[LoadedPlugin]:
        """Return the loaded plugins with all that they provide."""
        claimed = [
            (each.plugin, each.where, (kind, name))
            for kind in KINDS
            for name, claims in self._claimed(kind).items()
            for each in claims
        ]
        return [
            LoadedPlugin(
                name=plugin.name,
                distribution=plugin.distribution,
                version=plugin.version,
                path=plugin.path,
                provides=tuple(
                    what
                    for name, where, what in claimed
                    if (name, where) == (plugin.name, plugin.where)
                ),
            )
            for plugin in self._load().values()
        ]

    @property
    def problems(self) -> list[PluginProblem]:
        """What went wrong with plugins, of the kinds asked for so far."""
        self._load()
        return list(self._problems)

    def _resolve(self, kind: Kind, name: str) -> Any:
        claims = self._claimed(kind).get(name, [])
        if len(claims) == 1:
            return claims[0].value
        if claims:
            raise PluginError(
                _claimed_twice(kind, name, claims),
                remedy="uninstall one of them, or rename what it provides",
                code="ambiguous_plugin",
            )
        raise PluginError(
            f"no {kind} is named {name!r}", remedy=self._unknown(kind, name), code="unknown_plugin"
        )

    def _unknown(self, kind: Kind, name: str) -> str:
        """Return what to do about a name that nothing has: it may be a plugin with a problem."""
        broken = [str(each) for each in self._problems if each.plugin == name]
        if broken:
            return broken[0]
        remedy = near(name, self._claimed(kind)) or f"install a plugin that provides {_a(kind)}"
        names = ", ".join(sorted({each.plugin for each in self._problems}))
        return f"{remedy} (plugins with problems: {names})" if names else remedy

    def _load(self) -> dict[str, Candidate]:
        """Import and register every plugin, each alone, the first time."""
        if self._loaded is None:
            self._loaded = {}
            candidates, self._problems = find_candidates(self.places.dirs, self.places.only)
            for candidate in candidates:
                key = f"{candidate.name} ({candidate.where})"
                self._register(key, candidate, self._loaded)
        return self._loaded

    def _register(self, key: str, candidate: Candidate, loaded: dict[str, Candidate]) -> None:
        plugin, trouble = attempt(candidate.load, "on import")
        if not trouble and (other := self._pluggy.get_name(plugin)) is not None:
            trouble = f"is the same object as plugin {loaded[other].name}"
        elif not trouble:
            silent, trouble = attempt(lambda: self._hooks_of(plugin, key), "when registered")
            self._problems += [candidate.problem(each) for each in silent or ()]
            if trouble and self._pluggy.has_plugin(key):
                self._pluggy.unregister(name=key)
        if trouble:
            self._problems.append(candidate.problem(trouble))
        else:
            loaded[key] = candidate

    def _hooks_of(self, plugin: object, key: str) -> list[str]:
        """Register the hooks of a plugin; return those that will never be called."""
        self._pluggy.register(plugin, key)
        return self._misspelt(plugin)

    def _misspelt(self, plugin: object) -> list[str]:
        """Say which hooks of a plugin will never be called."""
        callers = self._pluggy.get_hookcallers(plugin) or []
        known = [f"forecaster_{kind}s" for kind in KINDS]
        unknown = [
            f"has a hook {each.name}, which does not exist; {near(each.name, known)}"
            for each in callers
            if not each.has_spec()
        ]
        heard = {each.name for each in callers}
        unmarked = [
            f"has a function {name} that is not marked with @forecaster.hookimpl"
            for name in known
            if name not in heard and callable(getattr(plugin, name, None))
        ]
        return unknown + unmarked + ([] if callers or unmarked else ["has no hook"])

    def _claimed(self, kind: Kind) -> dict[str, list[Provided]]:
        """Ask every plugin for a kind, each alone, the first time."""
        loaded = self._load()
        if kind not in self._claims:
            claims: dict[str, list[Provided]] = {}
            caller = getattr(self._pluggy.hook, f"forecaster_{kind}s")
            for hook in caller.get_hookimpls():
                self._ask(kind, hook, loaded[hook.plugin_name], claims)
            self._claims[kind] = claims
            self._problems += [
                PluginProblem(each.plugin, each.where, _claimed_twice(kind, name, several))
                for name, several in claims.items()
                if len(several) > 1
                for each in several
            ]
        return self._claims[kind]

    def _ask(
        self, kind: Kind, hook: HookImpl, plugin: Candidate, claims: dict[str, list[Provided]]
    ) -> None:
        things: Any
        things, trouble = attempt(hook.function, f"in forecaster_{kind}s")
        if not trouble and not isinstance(things, list | tuple):
            trouble = f"forecaster_{kind}s returned {type(things).__name__} instead of a list"
        if trouble:
            self._problems.append(plugin.problem(trouble))
            return
        for thing in things:
            wrong, trouble = attempt(lambda thing=thing: misfit(kind, thing), "when looked at")  # type: ignore[misc]
            if wrong or trouble:
                self._problems.append(plugin.problem(wrong or trouble))
                continue
            others = claims.setdefault(thing.name, [])
            if all(each.value is not thing for each in others):
                others.append(Provided(thing, plugin.name, plugin.where))


def _a(kind: Kind) -> str:
    return f"an {kind}" if kind[0] in "ae" else f"a {kind}"


def _claimed_twice(kind: Kind, name: str, claims: Sequence[Provided]) -> str:
    who = " and ".join(f"plugin {each.plugin} ({each.where})" for each in claims)
    return f"the {kind} name {name!r} is claimed by {who}"


def build_registry(dirs: Sequence[Path] = (), only: Sequence[str] | None = None) -> Registry:
    """Return a registry that loads plugins when something asks for a kind.

    Args:
        dirs: folders whose Python files and packages are plugins too.
        only: names of plugins or distributions; no other is loaded. None allows all.
    """
    pluggy = PluginManager("forecaster")
    pluggy.add_hookspecs(specs)
    return Registry(pluggy, Places(tuple(dirs), None if only is None else tuple(only)))
