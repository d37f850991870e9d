"""Calendars that exchange_calendars gets wrong, or not at all, on pandas 3.1."""

from datetime import UTC, date, datetime

import pytest

from forecaster.market import get_calendar


@pytest.mark.parametrize("name", ["ASEX", "XBEL", "XBSE", "XCYS"])
def test_orthodox_easter_is_known(name: str) -> None:
    """Athens, Belgrade, Bucharest and Cyprus close on its Monday, and not on a May Monday."""
    calendar = get_calendar(name)
    assert date(2024, 5, 6) not in calendar.sessions(date(2024, 5, 1), date(2024, 5, 31)).tolist()
    assert date(2024, 5, 13) in calendar.sessions(date(2024, 5, 1), date(2024, 5, 31)).tolist()
    assert calendar.after(date(2021, 4, 29), 1)[0] >= date(2021, 5, 4)  # Easter was on May 2


def test_tel_aviv_traded_on_sundays_until_2026() -> None:
    """Since January 2026 its week is Monday to Friday, with a short Friday."""
    calendar = get_calendar("XTAE")
    assert calendar.sessions(date(2025, 12, 14), date(2025, 12, 20)).tolist() == [
        date(2025, 12, day) for day in (14, 15, 16, 17, 18)
    ]
    assert calendar.sessions(date(2026, 1, 11), date(2026, 1, 17)).tolist() == [
        date(2026, 1, day) for day in (12, 13, 14, 15, 16)
    ]
    assert calendar.close(date(2025, 12, 14)) == datetime(2025, 12, 14, 13, 40, tzinfo=UTC)
    assert calendar.close(date(2026, 1, 16)) == datetime(2026, 1, 16, 11, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "day", "after"),
    [
        ("XBOM", date(2025, 2, 1), date(2025, 2, 3)),  # the day of the budget, a Saturday
        ("XKRX", date(1998, 11, 28), date(1998, 11, 30)),  # Saturdays until December 1998
        ("XMOS", date(2024, 12, 28), date(2024, 12, 30)),  # a working Saturday
    ],
)
def test_sessions_on_weekends_are_not_lost(name: str, day: date, after: date) -> None:
    """The library knows them; with pandas 3.1 alone it leaves them out and says nothing."""
    calendar = get_calendar(name)
    assert calendar.sessions(day, day).tolist() == [day]
    assert calendar.after(day, 1) == [after]
    assert calendar.before(after, 1) == [day]


def test_a_table_may_begin_on_any_day() -> None:
    """A range that begins on a closed Saturday begins with the Sunday session after it."""
    assert get_calendar("XTAE").after(date(2021, 12, 31), 1) == [date(2022, 1, 2)]
