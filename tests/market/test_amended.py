"""Calendars with days amended: closures that the library does not know, extra sessions."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.config import Amendment
from forecaster.errors import ConfigError
from forecaster.market import Calendar, Calendars, get_calendar, infer_calendar


def closed(name: str, day: str) -> Amendment:
    """Return the line that closes a day."""
    return Amendment(name, date.fromisoformat(day), False, None, f"closures.txt, line of {day}")


def opened(name: str, day: str, close: time | None = None) -> Amendment:
    """Return the line that opens a day."""
    return Amendment(name, date.fromisoformat(day), True, close, f"closures.txt, line of {day}")


def amended(*lines: Amendment) -> Calendar:
    """Return the calendar that some lines amend."""
    return Calendars(lines).get(lines[0].calendar)


class TestClosing:
    def test_a_closed_day_is_no_session(self) -> None:
        """The day is passed over forwards, backwards and by the clock."""
        calendar = amended(closed("XNYS", "2024-03-06"))
        assert calendar.after(date(2024, 3, 5), 1) == [date(2024, 3, 7)]
        assert calendar.before(date(2024, 3, 7), 1) == [date(2024, 3, 5)]
        assert not len(calendar.sessions(date(2024, 3, 6), date(2024, 3, 6)))
        assert calendar.last_closed(datetime(2024, 3, 7, 1, tzinfo=UTC)) == date(2024, 3, 5)

    def test_a_day_that_is_no_session_may_be_closed(self) -> None:
        """When the library learns of a closure the line does no harm."""
        calendar = amended(closed("XNYS", "2001-09-11"))
        untold = get_calendar("XNYS")
        first, last = date(2001, 1, 1), date(2001, 12, 31)
        assert calendar.sessions(first, last).tolist() == untold.sessions(first, last).tolist()

    def test_every_kind_of_calendar_can_be_amended(self) -> None:
        """A rule of the program's own is amended as one of the library's."""
        for name in ("weekdays", "24/7", "ECB", "XNYS"):
            assert amended(closed(name, "2024-03-06")).after(date(2024, 3, 5), 1) == [
                date(2024, 3, 7)
            ]


class TestOpening:
    def test_an_extra_session_closes_when_the_line_says(self) -> None:
        """A Saturday on which Bombay traded for an hour in the evening."""
        calendar = amended(opened("XBOM", "2023-11-11", time(13, 45)))
        assert calendar.after(date(2023, 11, 10), 1) == [date(2023, 11, 11)]
        assert calendar.close(date(2023, 11, 11)) == datetime(2023, 11, 11, 13, 45, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("name", "day", "close"),
        [
            ("XNYS", "2024-03-09", "2024-03-09 21:00"),  # the last day of winter time
            ("XNYS", "2024-03-10", "2024-03-10 20:00"),  # the first of summer time
            ("XTKS", "2024-03-09", "2024-03-09 06:00"),
            ("ECB", "2024-03-30", "2024-03-30 15:00"),
            ("weekdays", "2024-03-09", "2024-03-10 00:00"),
            ("BVMF", "2018-11-04", "2018-11-04 19:00"),  # a Sunday without a midnight
        ],
    )
    def test_otherwise_at_the_usual_local_time(self, name: str, day: str, close: str) -> None:
        """Without a time it closes as late in its local day as the sessions before it."""
        found = amended(opened(name, day)).close(date.fromisoformat(day))
        assert found == datetime.fromisoformat(close).replace(tzinfo=UTC)

    def test_a_half_day_before_it_is_not_usual(self) -> None:
        """The Saturday after Thanksgiving's half day closes at four, not at one."""
        calendar = amended(opened("XNYS", "2012-11-24"))
        assert calendar.close(date(2012, 11, 24)) == datetime(2012, 11, 24, 21, tzinfo=UTC)

    def test_a_time_moves_the_close_of_a_session(self) -> None:
        """An early close that the library does not know."""
        calendar = amended(opened("XNYS", "2024-03-06", time(18)))
        assert calendar.close(date(2024, 3, 6)) == datetime(2024, 3, 6, 18, tzinfo=UTC)
        assert calendar.close(date(2024, 3, 7)) == datetime(2024, 3, 7, 21, tzinfo=UTC)

    def test_a_session_is_left_alone_without_a_time(self) -> None:
        """Opening a half day does not make a whole one of it."""
        calendar = amended(opened("XNYS", "2012-11-23"))
        assert calendar.close(date(2012, 11, 23)) == datetime(2012, 11, 23, 18, tzinfo=UTC)


class TestNames:
    def test_other_calendars_are_as_ever(self) -> None:
        """A line is about its own calendar."""
        calendars = Calendars([closed("XNYS", "2024-03-06")])
        assert calendars.get("XLON") is get_calendar("XLON")
        assert calendars.get("XNYS") is calendars.get("XNYS")
        assert Calendars().get("XNYS") is get_calendar("XNYS")

    def test_a_calendar_is_meant_by_each_of_its_names(self) -> None:
        """What is said of NYSE holds for XNYS, and the other way round."""
        for line, name in (("NYSE", "XNYS"), ("XNYS", "NYSE")):
            calendar = Calendars([closed(line, "2024-03-06")]).get(name)
            assert calendar.after(date(2024, 3, 5), 1) == [date(2024, 3, 7)]

    def test_an_unknown_one_is_refused_with_its_line(self) -> None:
        """A typo in the file is no line without effect."""
        calendars = Calendars([closed("XNYZ", "2024-03-06")])
        with pytest.raises(ConfigError, match=r"line of 2024-03-06: .*did you mean .*XNYS"):
            calendars.check()
        with pytest.raises(ConfigError, match="XNYZ"):
            calendars.get("XLON")


class TestInference:
    def test_a_calendar_is_recognised_with_its_closures(self) -> None:
        """A closure that the library does not know makes New York no other market."""
        sessions = get_calendar("XNYS").sessions(date(2022, 1, 1), date(2024, 12, 31))
        sessions = sessions[sessions != np.datetime64("2024-03-06")]
        assert infer_calendar(sessions) == "weekdays"
        assert infer_calendar(sessions, Calendars([closed("XNYS", "2024-03-06")])) == "XNYS"


@given(
    st.lists(
        st.tuples(
            st.dates(date(2023, 12, 1), date(2024, 2, 28)),
            st.booleans(),
            st.none() | st.times(timezones=st.none()),
        ),
        unique_by=lambda line: line[0],
        max_size=12,
    )
)
@settings(deadline=None)
def test_the_table_is_the_librarys_with_the_lines_applied(
    lines: list[tuple[date, bool, time | None]],
) -> None:
    """Every amended day is as its line says, every other day as the library says."""
    written = [
        Amendment("XNYS", day, opens, close if opens else None, "line")
        for day, opens, close in lines
    ]
    calendar, untold = Calendars(written).get("XNYS"), get_calendar("XNYS")
    first, last = date(2023, 11, 1), date(2024, 3, 31)
    expected = set(untold.sessions(first, last).tolist())
    expected |= {one.day for one in written if one.opens}
    expected -= {one.day for one in written if not one.opens}
    assert calendar.sessions(first, last).tolist() == sorted(expected)
    for one in written:
        if one.opens and one.close:
            assert calendar.close(one.day) == datetime.combine(one.day, one.close, UTC)
        if one.opens:
            assert calendar.close(one.day) - datetime.combine(one.day, time(), UTC) <= timedelta(
                days=1
            )
