"""Calling code that may do anything, and saying what it did."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from forecaster.masking import mask

Result = TypeVar("Result")


@dataclass(frozen=True)
class PluginProblem:
    """What is wrong with a plugin: its name, where it came from, and what happened."""

    plugin: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} ({self.where}): {self.message}"


def attempt(call: Callable[[], Result], doing: str) -> tuple[Result | None, str]:
    """Return what a plugin's code returned, or None and what it did instead."""
    try:
        return call(), ""
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        return None, f"called sys.exit({mask(repr(error.code))}) {doing}"
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything and must fail alone
        return None, f"raised {_in_a_line(error)} {doing}"


def _in_a_line(error: BaseException) -> str:
    text = " ".join(mask(str(error)).split())
    text = text if len(text) <= 300 else f"{text[:297]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
