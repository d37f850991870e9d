"""The check of executors is itself checked: each broken promise is refused by its name."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from forecaster.errors import DataError
from forecaster.hooks import build_registry
from forecaster.testing import check_executor

Function = Callable[[Any], Any]


class Plain:
    """An executor that keeps its promises; the faulty ones below break one each."""

    name = "plain"

    def __init__(self, options: Mapping[str, Any] | None = None, folder: Path = Path()) -> None:
        self.closed = self.uses = 0

    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        self.uses += 1
        return map(function, items)

    def close(self) -> None:
        self.closed += 1


class Threads(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(4) as pool:
            yield from pool.map(function, items)


class WithoutClose:
    name = "plain"

    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        return map(function, items)


class Nameless(Plain):
    name = ""


class Backwards(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        return iter([function(item) for item in items][::-1])


class Forgetful(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        return map(function, items[:-1])


class Repeating(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        return (function(items[max(0, k - 1)]) for k in range(len(items)))


class Doubling(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        return (function(item) for item in items for _ in range(2))


class Endless(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        yield from map(function, items)
        while True:
            yield None


class Filling(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        yield from map(function, items)
        if not items:
            yield None


class NeedsItems(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        return map(function, [items[0], *items[1:]])


class Swallowing(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        for item in items:
            try:
                yield function(item)
            except DataError:
                yield None


class Retyping(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        try:
            yield from map(function, items)
        except DataError as error:
            raise RuntimeError(str(error)) from error


class Rewording(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        try:
            yield from map(function, items)
        except DataError as error:
            raise DataError(str(error)) from error


class OnlyOnce(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        self.uses += 1
        return map(function, items) if self.uses < 4 else iter(())


class Breaking(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Iterator[Any]:
        raise OSError("no workers")


class NoIterator(Plain):
    def map(self, function: Function, items: Sequence[Any]) -> Any:
        return None


class CannotClose(Plain):
    def close(self) -> None:
        raise OSError("still busy")


@pytest.mark.parametrize("made", [Plain, Threads, WithoutClose])
def test_honest_executors_pass(made: type[Any]) -> None:
    """One that works here, one with threads, one without a method `close`."""
    executor = made()
    check_executor(executor)
    assert getattr(executor, "closed", 1) == 1


@pytest.mark.parametrize(("name", "options"), [("serial", {}), ("local", {"workers": 2})])
def test_the_programs_own_pass(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """In this process and in others, which find the functions of the check by importing them."""
    executor = build_registry(only=["forecaster"]).executor(name)(options, tmp_path)
    check_executor(executor)
    assert executor.name == name


FAULTS: dict[type[Any], str] = {
    Nameless: "the executor's name is '' and must be a word",
    Backwards: "executor 'plain', the first time: results in the order [11, 10, 9, 8, 7, 6, 5, 4, "
    "3, 2, 1, 0], not in that of the items",
    Forgetful: "executor 'plain', the first time: 11 results for 12 items",
    Doubling: "the first time: 24 results for 12 items",
    Endless: "the first time: 25 results for 12 items",
    Repeating: "the first time: result 2 is (0, 0) and not (1, 1)",
    Filling: "executor 'plain', without items: 1 results",
    NeedsItems: "executor 'plain', without items: map raises IndexError: list index out of range",
    Swallowing: "the exception of an item is lost, the results are [0, 1, 2, 3, 4, None, 6, 7, 8, ",
    Retyping: "the DataError of an item arrives as RuntimeError: item 5 is bad; leave it out",
    Rewording: "of the DataError of an item, what arrives is: item 5 is bad; leave it out (code d",
    OnlyOnce: "executor 'plain', used again after an exception: 0 results for 12 items",
    Breaking: "executor 'plain', the first time: map raises OSError: no workers",
    NoIterator: "the first time: map raises TypeError: 'NoneType' object is not iterable",
    CannotClose: "executor 'plain': close raises OSError: still busy",
}


@pytest.mark.parametrize("made", FAULTS, ids=lambda made: made.__name__)
def test_a_broken_promise_is_refused_in_one_sentence(made: type[Any]) -> None:
    """The message says what it did; the executor is closed all the same."""
    executor = made()
    with pytest.raises(AssertionError, match=re.escape(FAULTS[made])) as caught:
        check_executor(executor)
    assert "\n" not in str(caught.value)
    assert executor.closed == (made not in {Nameless, CannotClose})
