"""One after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from forecaster.hooks import Options, read_options

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class SerialExecutor:
    """One item after the other, in this process."""

    name: ClassVar[str] = "serial"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:  # noqa: ARG002 - contract
        read_options(Options, options, f"plugins.{self.name}")

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield `function(item)` for each item, in the order of the items."""
        return map(function, items)
