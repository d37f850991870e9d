"""Trading calendars."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import ConfigError, DataError
from forecaster.market import get_calendar, infer_calendar, rules
from forecaster.market.calendars import TableCalendar
from forecaster.market.rules import find_rule

NAMES = ("XNYS", "ECB", "24/7", "weekdays")
names = st.sampled_from(NAMES)
days = st.dates(date(2003, 1, 1), date(2024, 12, 31))

at_leisure = settings(deadline=None)  # the first example builds the calendars


def session_near(name: str, day: date) -> date:
    """Return the first session after a day."""
    return get_calendar(name).after(day, 1)[0]


class TestInvariants:
    @given(names, days, st.integers(1, 90))
    @at_leisure
    def test_after_and_before_are_inverse(self, name: str, day: date, count: int) -> None:
        """Going forward and back by as many sessions ends where it began."""
        calendar = get_calendar(name)
        session = session_near(name, day)
        assert calendar.before(calendar.after(session, count)[-1], count)[0] == session
        assert calendar.after(calendar.before(session, count)[0], count)[-1] == session

    @given(names, days, st.integers(0, 90))
    @at_leisure
    def test_after_is_what_sessions_lists(self, name: str, day: date, count: int) -> None:
        """The sessions after a date ascend strictly and leave none out."""
        calendar = get_calendar(name)
        found = calendar.after(day, count)
        assert len(found) == count
        assert found == sorted(set(found))
        if found:
            listed = calendar.sessions(day + timedelta(days=1), found[-1])
            assert listed.tolist() == found

    @given(names, days)
    @at_leisure
    def test_a_session_is_closed_from_its_close_on(self, name: str, day: date) -> None:
        """At the close the session is the last closed one; a moment before, the one before it."""
        calendar = get_calendar(name)
        session = session_near(name, day)
        close = calendar.close(session)
        assert close.utcoffset() == timedelta(0)
        assert calendar.last_closed(close) == session
        moment_before = close - timedelta(microseconds=1)
        assert calendar.last_closed(moment_before) == calendar.before(session, 1)[0]

    @pytest.mark.parametrize("name", NAMES)
    def test_sessions_do_not_depend_on_what_was_asked_before(self, name: str) -> None:
        """A table that has grown in both directions gives the same sessions and closes."""
        calendar = TableCalendar(find_rule(name))
        fresh = calendar.sessions(date(2012, 1, 1), date(2013, 12, 31))
        close = calendar.close(fresh[200].item())
        calendar.sessions(date(2001, 1, 1), date(2030, 1, 1))
        assert calendar.sessions(date(2012, 1, 1), date(2013, 12, 31)).tolist() == fresh.tolist()
        assert calendar.close(fresh[200].item()) == close


class TestBuilding:
    def test_the_usual_years_are_computed_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The library keeps the last calendar it made: all questions of a night are about that."""
        asked = []

        def counted(name: str, first: date, last: date) -> Any:
            asked.append((first, last))
            return computed(name, first, last)

        computed = rules._exchange
        monkeypatch.setattr(rules, "_exchange", counted)
        calendar = TableCalendar(find_rule("XWBO"))
        calendar.last_closed(datetime(2026, 11, 20, 22, tzinfo=UTC))
        calendar.sessions(date(2023, 11, 20), date(2026, 11, 20))
        calendar.after(date(2026, 11, 20), 60)
        assert set(asked) == {rules.USUAL}

    def test_a_calendar_with_narrow_bounds_is_computed_within_them(self) -> None:
        """Riyadh's sessions are known from 2021 on only, which is no error."""
        calendar = get_calendar("XSAU")
        assert calendar.after(date(2022, 1, 6), 2) == [date(2022, 1, 9), date(2022, 1, 10)]
        assert calendar.sessions(date(2019, 1, 1), date(2020, 12, 31)).tolist() == []


class TestNewYork:
    def test_closure_of_september_2001(self) -> None:
        """After 2001-09-10 the next session was 2001-09-17."""
        calendar = get_calendar("XNYS")
        assert calendar.after(date(2001, 9, 10), 2) == [date(2001, 9, 17), date(2001, 9, 18)]
        assert calendar.before(date(2001, 9, 17), 1) == [date(2001, 9, 10)]
        noon = datetime(2001, 9, 14, 12, tzinfo=UTC)
        assert calendar.last_closed(noon) == date(2001, 9, 10)

    def test_half_days_close_early(self) -> None:
        """The day after Thanksgiving closes at 13:00 in New York."""
        calendar = get_calendar("XNYS")
        assert calendar.close(date(2012, 11, 21)) == datetime(2012, 11, 21, 21, tzinfo=UTC)
        assert calendar.close(date(2012, 11, 23)) == datetime(2012, 11, 23, 18, tzinfo=UTC)

    def test_far_apart_dates_are_covered(self) -> None:
        """The table grows to whatever years are asked for, without the clock."""
        calendar = get_calendar("XNYS")
        assert calendar.after(date(1962, 1, 1), 1) == [date(1962, 1, 2)]
        assert calendar.after(date(2040, 7, 3), 1) == [date(2040, 7, 5)]

    def test_moments_of_other_zones(self) -> None:
        """A moment is a moment in whatever zone it is written."""
        tokyo = timezone(timedelta(hours=9))
        moment = datetime(2024, 3, 6, 6, 0, tzinfo=tokyo)
        assert get_calendar("XNYS").last_closed(moment) == date(2024, 3, 5)
        with pytest.raises(ValueError, match="no time zone"):
            get_calendar("XNYS").last_closed(moment.replace(tzinfo=None))

    def test_closed_days_have_no_close(self) -> None:
        """Asking for the close of a holiday is an error."""
        with pytest.raises(DataError, match="2001-09-11 is no session of XNYS"):
            get_calendar("XNYS").close(date(2001, 9, 11))


class TestOthers:
    def test_ecb_rates_are_published_at_four_in_frankfurt(self) -> None:
        """Summer and winter differ by an hour in UTC; Good Friday has no rates."""
        calendar = get_calendar("ECB")
        assert calendar.close(date(2024, 1, 15)) == datetime(2024, 1, 15, 15, tzinfo=UTC)
        assert calendar.close(date(2024, 7, 15)) == datetime(2024, 7, 15, 14, tzinfo=UTC)
        assert calendar.after(date(2024, 3, 28), 1) == [date(2024, 4, 2)]

    def test_every_day_closes_at_midnight(self) -> None:
        """A coin's session ends with its day in UTC."""
        calendar = get_calendar("24/7")
        assert calendar.after(date(2024, 3, 1), 2) == [date(2024, 3, 2), date(2024, 3, 3)]
        assert calendar.close(date(2024, 3, 2)) == datetime(2024, 3, 3, tzinfo=UTC)

    def test_weekdays_leave_out_weekends_only(self) -> None:
        """Christmas is a weekday."""
        assert get_calendar("weekdays").after(date(2020, 12, 24), 2) == [
            date(2020, 12, 25),
            date(2020, 12, 28),
        ]

    def test_dates_before_a_calendar_begins_have_no_sessions(self) -> None:
        """The Tokyo calendar begins in 1997."""
        found = get_calendar("XTKS").sessions(date(1990, 1, 1), date(1997, 1, 7))
        assert found.tolist() == [date(1997, 1, 6), date(1997, 1, 7)]
        with pytest.raises(DataError) as caught:
            get_calendar("XTKS").before(date(1997, 1, 7), 5)
        assert caught.value.code == "calendar_range"

    def test_dates_after_a_calendar_ends_are_refused(self) -> None:
        """Where the library knows no more sessions none are invented."""
        calendar = get_calendar("XHKG")
        with pytest.raises(DataError) as caught:
            calendar.after(date(2049, 12, 30), 5)
        assert caught.value.code == "calendar_range"
        with pytest.raises(DataError):
            calendar.sessions(date(2049, 1, 1), date(2050, 1, 1))


class TestNames:
    def test_aliases_lead_to_one_name(self) -> None:
        """An exchange's other names give the calendar under its own."""
        assert get_calendar("NYSE").name == "XNYS"
        assert get_calendar("XNYS") is get_calendar("XNYS")

    @pytest.mark.parametrize(
        ("wrong", "meant"), [("xnys", "XNYS"), ("XNYZ", "XNYS"), ("ecb", "ECB"), ("24-7", "24/7")]
    )
    def test_unknown_names_come_with_near_ones(self, wrong: str, meant: str) -> None:
        """A typo is answered with what was probably meant."""
        with pytest.raises(ConfigError, match=f"did you mean .*{meant}") as caught:
            get_calendar(wrong)
        assert caught.value.code == "unknown_calendar"

    def test_a_calendar_that_the_library_cannot_build(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A defect of the library is one line with a way out."""
        import exchange_calendars

        def broken(*args: object, **settings: object) -> None:
            raise NotImplementedError("implemented by subclasses")

        monkeypatch.setattr(exchange_calendars, "get_calendar", broken)
        with pytest.raises(ConfigError, match=r"cannot build XLJU.*weekdays") as caught:
            get_calendar("XLJU")
        assert caught.value.code == "broken_calendar"


class TestInference:
    @pytest.mark.parametrize(
        ("name", "inferred"),
        [("XNYS", "XNYS"), ("24/7", "24/7"), ("ECB", "weekdays"), ("weekdays", "weekdays")],
    )
    def test_from_the_newest_sessions(self, name: str, inferred: str) -> None:
        """New York and every day are recognised; anything else is weekdays."""
        sessions = get_calendar(name).sessions(date(2010, 1, 1), date(2012, 12, 31))
        assert infer_calendar(sessions) == inferred

    def test_old_gaps_do_not_count_and_new_ones_do(self) -> None:
        """New York's newest 500 sessions must be complete."""
        sessions = get_calendar("XNYS").sessions(date(2010, 1, 1), date(2012, 12, 31))
        assert infer_calendar(np.delete(sessions, 10)) == "XNYS"
        assert infer_calendar(np.delete(sessions, -10)) == "weekdays"
        assert infer_calendar(sessions[:0]) == "weekdays"


def test_the_room_loads_nothing_heavy() -> None:
    """Importing forecaster.market and the sources leaves the heavy libraries alone."""
    code = (
        "import sys; import forecaster.market, forecaster.plugins.yahoo, forecaster.plugins.files;"
        "import forecaster.plugins.sample;"
        "print(*sorted({'pandas', 'exchange_calendars', 'holidays', 'yfinance', 'curl_cffi'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


class TestMidnights:
    """Zones in which a day has begun at one o'clock: dates stay dates."""

    @pytest.mark.parametrize(
        ("name", "first", "last"),
        [
            # Sunday, 2018-11-04 began at one o'clock in São Paulo, and 2023-09-03 in Santiago;
            # Israel's clocks went from two to three on Friday, 2023-03-24.
            ("BVMF", date(2018, 10, 29), date(2018, 11, 9)),
            ("XSGO", date(2023, 8, 28), date(2023, 9, 8)),
            ("XTAE", date(2023, 3, 20), date(2023, 3, 28)),
        ],
    )
    def test_sessions_around_the_change_are_dates(self, name: str, first: date, last: date) -> None:
        """Every session closes on its own local date, before the change and after it."""
        calendar, zone = get_calendar(name), ZoneInfo(find_rule(name).zone)
        closes = [
            (session, calendar.close(session).astimezone(zone))
            for session in calendar.sessions(first, last).tolist()
        ]
        assert all(close.date() == session for session, close in closes)
        assert len({close.utcoffset() for _, close in closes}) == 2  # the change is among them

    def test_a_day_without_midnight_can_be_a_session(self) -> None:
        """In Havana 2024-03-10 began at one o'clock, in Cairo 2024-04-26: dates as any other."""
        for day in (date(2024, 3, 10), date(2024, 4, 26)):
            around = [day + timedelta(days=step) for step in (-1, 0, 1)]
            sessions = get_calendar("24/7").sessions(around[0], around[-1])
            assert sessions.dtype == np.dtype("datetime64[D]")
            assert sessions.tolist() == around


class TestSettling:
    """When a session is over, which is when its bar can become final."""

    @pytest.mark.parametrize(
        ("name", "session", "close"),
        [
            ("XNYS", date(2012, 11, 23), "2012-11-23 18:00"),  # a half day
            ("XNYS", date(2024, 7, 3), "2024-07-03 17:00"),
            ("XLON", date(2024, 12, 24), "2024-12-24 12:30"),
            ("XTAE", date(2025, 12, 14), "2025-12-14 13:40"),
            ("24/7", date(2024, 3, 9), "2024-03-10 00:00"),
            ("weekdays", date(2024, 3, 8), "2024-03-09 00:00"),
        ],
    )
    def test_a_bar_settles_at_its_own_close_plus_the_delay(
        self, name: str, session: date, close: str
    ) -> None:
        """Two hours after an early close the half day counts, and not a moment sooner."""
        calendar, delay = get_calendar(name), timedelta(hours=2)
        settled = datetime.fromisoformat(close).replace(tzinfo=UTC) + delay
        assert calendar.last_closed(settled - delay) == session
        moment_before = settled - timedelta(seconds=1)
        assert calendar.last_closed(moment_before - delay) == calendar.before(session, 1)[0]
