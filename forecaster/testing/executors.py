"""What an executor promises, tried out with small items.

The functions that travel to the executor's workers stand here, so that every process can import
them.
"""

from collections.abc import Callable, Sequence
from itertools import islice, zip_longest
from typing import Any

from forecaster.errors import DataError
from forecaster.hooks import Executor

COUNT = 12  # items, more than most executors have workers
BAD = 5  # the item whose training fails


def check_executor(executor: Executor) -> None:
    """Try out all that an executor promises; see `forecaster.hooks.Executor`.

    One result for each item, in the order of the items, whichever is done first; none for no items;
    what a function raises arrives; and the same instance works again after all of that. If it
    has a method `close`, that is called at the end.

    Args:
        executor: made with its options; it is closed afterwards.

    Raises:
        AssertionError: in one sentence, the first promise that is not kept.
    """
    who = _named(executor)
    try:
        _check_results(executor, f"{who}, the first time")
        _check_empty(executor, who)
        _check_exception(executor, who)
        _check_results(executor, f"{who}, used again after an exception")
    except BaseException:
        _close(executor, who, quietly=True)
        raise
    _close(executor, who)


def _named(executor: Executor) -> str:
    name: object = getattr(executor, "name", None)
    if not (isinstance(name, str) and name.strip()):
        raise AssertionError(f"the executor's name is {name!r} and must be a word")
    return f"executor {name!r}"


def slow_square(item: int) -> tuple[int, int]:
    """Return the item and its square; the first items take the longest."""
    for _ in range(20_000 * (COUNT - item)):
        pass
    return item, item * item


def fail_at_bad(item: int) -> int:
    """Return the item, but raise what a training may raise for one of them."""
    if item == BAD:
        raise DataError(f"item {item} is bad", remedy="leave it out", code="bad_item")
    return item


def _check_results(executor: Executor, who: str) -> None:
    """One result an item, in their order."""
    items = range(COUNT)
    results = _mapped(executor, slow_square, items, who)
    expected = [(item, item * item) for item in items]
    if results == expected:
        return
    if len(results) != len(items):
        raise AssertionError(f"{who}: {len(results)} results for {len(items)} items")
    if sorted(results, key=repr) == sorted(expected, key=repr):
        order = [result[0] for result in results]
        raise AssertionError(f"{who}: results in the order {order}, not in that of the items")
    k, wrong, right = next(
        (k, result, known)
        for k, (result, known) in enumerate(zip_longest(results, expected))
        if result != known
    )
    raise AssertionError(f"{who}: result {k + 1} is {wrong!r} and not {right!r}")


def _check_empty(executor: Executor, who: str) -> None:
    """Nothing comes of nothing."""
    results = _mapped(executor, slow_square, [], f"{who}, without items")
    if results:
        raise AssertionError(f"{who}, without items: {len(results)} results")


def _check_exception(executor: Executor, who: str) -> None:
    """What an item raises is raised by `map`, or by going through its results."""
    try:
        results = list(executor.map(fail_at_bad, range(COUNT)))
    except DataError as error:
        if (error.message, error.code) != (f"item {BAD} is bad", "bad_item"):
            raise AssertionError(
                f"{who}: of the DataError of an item, what arrives is: {error} (code {error.code})"
            ) from error
    except Exception as error:
        raise AssertionError(
            f"{who}: the DataError of an item arrives as {type(error).__name__}: {error}"
        ) from error
    else:
        raise AssertionError(f"{who}: the exception of an item is lost, the results are {results}")


def _mapped(
    executor: Executor, function: Callable[[int], Any], items: Sequence[int], who: str
) -> list[Any]:
    try:
        return list(islice(executor.map(function, items), 2 * len(items) + 1))  # it may not end
    except Exception as error:
        raise AssertionError(f"{who}: map raises {type(error).__name__}: {error}") from error


def _close(executor: Executor, who: str, *, quietly: bool = False) -> None:
    close = getattr(executor, "close", None)
    if close is None:
        return
    try:
        close()
    except Exception as error:
        if not quietly:
            raise AssertionError(f"{who}: close raises {type(error).__name__}: {error}") from error
