"""Whether a provided thing has the shape of its kind; a shallow look, the suites look deeper."""

import inspect
from collections.abc import Callable
from typing import Any

_METHODS = {"source": "fetch", "reporter": "report", "executor": "map"}


def misfit(kind: str, thing: Any) -> str:
    """Return what keeps `thing` from being a source, activation, reporter or executor, or ''."""
    wrong = _misfit_activation(thing) if kind == "activation" else _misfit_class(kind, thing)
    if not wrong and not (isinstance(thing.name, str) and thing.name):
        wrong = f"whose name is {thing.name!r} and no string"
    return f"provides as {kind} {_called(thing)} {wrong}" if wrong else ""


def _called(thing: Any) -> str:
    return thing.__name__ if isinstance(thing, type) else repr(thing)[:80]


def _misfit_activation(thing: Any) -> str:
    from forecaster.model import Activation  # noqa: PLC0415 - loads numpy

    return "" if isinstance(thing, Activation) else "that is no forecaster.model.Activation"


def _misfit_class(kind: str, thing: Any) -> str:
    method = _METHODS[kind]
    if not isinstance(thing, type):
        return "that is no class"
    if not hasattr(thing, "name"):
        return "without a name"
    if not callable(getattr(thing, method, None)):
        return f"without a method {method}"
    return "" if _takes(thing, 2) else "that does not take (options, folder)"


def _takes(function: Callable[..., object], count: int) -> bool:
    """Say whether a function can be called with `count` positional arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a built-in that does not tell its signature
        return True
    return True
