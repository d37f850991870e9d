"""What a source promises, tried out with a symbol that it quotes.

`forecaster.testing.quotes` looks at a single answer; here the source is asked several times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecaster.errors import ConfigError, SourceError
from forecaster.hooks import Quotes, Source
from forecaster.testing.quotes import check_quotes

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "ZZ9NOSUCH9ZZ"
STRANGE = ("", "../../etc/passwd", "A'; DROP TABLE price; --", "<script>", "A\nB")
OPTION = "no_such_option_of_this_source"
FEWEST = 10  # sessions of which a range is a part
CODE = re.compile(r"[a-z][a-z0-9_]*")
NOTHING = frozenset({"no_session"})  # codes of an answer that there are no bars, in a range


def check_source(
    source: Source,
    symbol: str,
    *,
    options: Mapping[str, Any] | None = None,
    unknown: str = UNKNOWN,
) -> None:
    """Try out all that a source promises; see `forecaster.hooks.Source` and `Quotes`.

    Sessions are dates, ascending, each once; columns are numbers; prices are as traded; actions,
    calendar and currency are what they should be; a range is kept to, with the same values; the
    same answer comes twice, whatever was done to the first; symbols that it does not know and
    options that it does not have are refused. It is asked about a dozen times.

    Args:
        source: made with its options.
        symbol: one that it quotes, with 10 sessions or more.
        options: those that it was made with, if it needs any.
        unknown: a symbol that it does not know.

    Raises:
        AssertionError: in one sentence, the first promise that is not kept.
    """
    who = check_source_class(type(source), options or {})
    _requests(source, who)
    whole = _asked(source, symbol, who)
    sent = _requests(source, who)
    check_quotes(whole, f"{who}, {symbol!r}")
    if len(whole.bars) < FEWEST:
        raise AssertionError(
            f"{who}, {symbol!r}: {len(whole.bars)} sessions are too few to try it out with"
        )
    _check_again(source, symbol, whole, who)
    _check_ranges(source, symbol, whole, who)
    for strange in (unknown, *STRANGE):
        _check_unknown(source, strange, who)
    if _requests(source, who) < sent:
        raise AssertionError(f"{who}: its count of requests went down")


def check_source_class(made: type[Source], options: Mapping[str, Any]) -> str:
    """Try out what a source promises without being asked for prices; return what to call it.

    Args:
        made: the class.
        options: with which it can be made.

    Raises:
        AssertionError: in one sentence, the first promise that is not kept.
    """
    name: object = getattr(made, "name", None)
    if not (isinstance(name, str) and name.strip()):
        raise AssertionError(f"the source's name is {name!r} and must be a word")
    who = f"source {name!r}"
    local: object = getattr(made, "local", False)
    if not isinstance(local, bool):
        raise AssertionError(f"{who}: local is {local!r} and must be True or False")  # noqa: TRY004
    _check_option(made, options, who)
    return who


def _check_option(made: type[Source], options: Mapping[str, Any], who: str) -> None:
    """A misspelt option must not be ignored."""
    try:
        made({**options, OPTION: 1}, Path())
    except ConfigError as error:
        if options and OPTION not in str(error):
            raise AssertionError(
                f"{who}: the error for an option that it does not have does not name it: {error}"
            ) from error
    except Exception as error:
        raise AssertionError(
            f"{who}: an option that it does not have raises {type(error).__name__} and no "
            f"ConfigError: {error}"
        ) from error
    else:
        raise AssertionError(f"{who}: an option that it does not have is ignored")


def _requests(source: Source, who: str) -> int:
    sent: object = getattr(source, "requests", 0)
    if not isinstance(sent, int) or isinstance(sent, bool) or sent < 0:
        raise AssertionError(f"{who}: requests is {sent!r} and must be a count")
    return sent


def _asked(
    source: Source, symbol: str, who: str, start: date | None = None, end: date | None = None
) -> Quotes:
    asked = f"{who}, {symbol!r}" + (f" from {start} to {end}" if start or end else "")
    try:
        found: object = source.fetch(symbol, start, end)
    except Exception as error:
        raise AssertionError(f"{asked}: fetch raises {type(error).__name__}: {error}") from error
    if not isinstance(found, Quotes):
        raise AssertionError(  # noqa: TRY004 - a suite raises nothing else
            f"{asked}: fetch returns a {type(found).__name__} and no Quotes"
        )
    return found


def _check_again(source: Source, symbol: str, whole: Quotes, who: str) -> None:
    """The same answer comes again, even when somebody wrote into the first one."""
    first, actions = whole.bars.copy(), _copied(whole.actions)
    whole.bars.iloc[:, :] = -1.0
    if whole.actions is not None:
        whole.actions.iloc[:, :] = -1.0
    again = _asked(source, symbol, who)
    # The last session may be going on.
    known = first if whole.historical else first.iloc[:-1]
    same = _same(known, again.bars.iloc[: len(known)])
    if not same or not _same_actions(actions, again.actions, known):
        changed = bool((again.bars.to_numpy() == -1.0).all())
        why = ": it is what the caller wrote into the first one" if changed else ""
        raise AssertionError(f"{who}, {symbol!r}: the second answer is not the first one{why}")
    whole.bars.iloc[:, :] = first
    if whole.actions is not None and actions is not None:
        whole.actions.iloc[:, :] = actions


def _check_ranges(source: Source, symbol: str, whole: Quotes, who: str) -> None:
    """A range holds its sessions, both ends included, with the same values."""
    sessions, n = [day.date() for day in whole.bars.index], len(whole.bars)
    for start, end in (
        (sessions[n // 3], sessions[2 * n // 3]),
        (sessions[n // 2], sessions[n // 2]),
        (sessions[n // 2], None),
        (None, sessions[n // 2]),
    ):
        part = _asked(source, symbol, who, start, end)
        asked = f"{who}, {symbol!r} from {start} to {end}"
        found = [day.date() for day in part.bars.index]
        wanted = [day for day in sessions if (start or day) <= day <= (end or day)]
        outside = [day for day in found if not (start or day) <= day <= (end or day)]
        if outside:
            raise AssertionError(f"{asked}: a bar of {outside[0]} was not asked for")
        lacking = sorted(set(wanted[: None if whole.historical else -1]) - set(found))
        if lacking:
            raise AssertionError(f"{asked}: the bar of {lacking[0]} is missing")
        known = whole.bars.loc[str(wanted[0]) : str(wanted[-1])]
        known = known if whole.historical or end else known.iloc[:-1]
        if not _same(known, part.bars.reindex(known.index)):
            raise AssertionError(f"{asked}: bars have other values than without a range")
        if part.actions is not None and len(part.actions):
            days = [day.date() for day in part.actions.index]
            if (start and days[0] < start) or (end and days[-1] > end):
                raise AssertionError(f"{asked}: an action was not asked for")
        if not _same_actions(whole.actions, part.actions, known):
            raise AssertionError(f"{asked}: there are other actions than without a range")
    _check_nothing(source, symbol, who)


def _check_nothing(source: Source, symbol: str, who: str) -> None:
    """Where there are no sessions, there are no bars."""
    day = date(1800, 1, 1)
    try:
        found = source.fetch(symbol, day, day)
    except SourceError as error:
        if error.code in NOTHING:
            return
        raise AssertionError(
            f"{who}, {symbol!r} on {day}: raises a SourceError with the code {error.code!r}; no "
            "bars are an empty frame, or no_session"
        ) from error
    except Exception as error:
        raise AssertionError(
            f"{who}, {symbol!r} on {day}: fetch raises {type(error).__name__}: {error}"
        ) from error
    if len(found.bars):
        raise AssertionError(f"{who}, {symbol!r} on {day}: {len(found.bars)} bars")


def _check_unknown(source: Source, symbol: str, who: str) -> None:
    asked = f"{who}, {symbol!r}, which it cannot know"
    try:
        found = source.fetch(symbol, None, None)
    except SourceError as error:
        if not CODE.fullmatch(error.code) or not error.message:
            raise AssertionError(
                f"{asked}: the error is to have a code in snake case and to say why, and is "
                f"{error.code!r}: {str(error)!r}"
            ) from error
    except Exception as error:
        raise AssertionError(
            f"{asked}: raises {type(error).__name__} and no SourceError: {error}"
        ) from error
    else:
        count = len(found.bars) if isinstance(found, Quotes) else 0
        raise AssertionError(f"{asked}: no SourceError, but {count} bars")


def _copied(frame: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if frame is None else frame.copy()


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    import numpy as np  # noqa: PLC0415 - importing the suites loads little

    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return False
    if not (one.index == other.index).all():
        return False
    mine, yours = (each.to_numpy(dtype=np.float64, na_value=np.nan) for each in (one, other))
    return np.array_equal(mine, yours, equal_nan=True)


def _same_actions(one: pd.DataFrame | None, other: pd.DataFrame | None, bars: pd.DataFrame) -> bool:
    """Say whether the splits and dividends of the sessions of some bars are the same."""
    return _told(one, bars) == _told(other, bars)


def _told(actions: pd.DataFrame | None, bars: pd.DataFrame) -> list[tuple[str, float, float]]:
    from forecaster.market import actions_from_frame  # noqa: PLC0415 - as above

    if actions is None or actions.empty or bars.empty:
        return []
    found = actions_from_frame(actions.loc[bars.index[0] : bars.index[-1]])
    days = [str(day) for day in found.sessions]
    return list(zip(days, found.splits.tolist(), found.dividends.tolist(), strict=True))
