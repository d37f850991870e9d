"""Splits, dividends and adjusted prices."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.errors import DataError
from forecaster.market import (
    Actions,
    actions_from_frame,
    adjust,
    adjust_volume,
    basis,
    derive_actions,
)

SESSIONS = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")
CLOSES = np.array([100, 102, 104, 50, 51, 52, 53, 54, 55, 56], dtype=float)
LAST = date(2024, 1, 10)


def actions(*rows: tuple[str, float, float]) -> Actions:
    """Return actions from (session, split, dividend)."""
    days, splits, dividends = zip(*rows, strict=True)
    return Actions(np.array(days, "datetime64[D]"), np.array(splits), np.array(dividends))


SPLIT = actions(("2024-01-04", 2.0, 0.0))


class TestAdjust:
    def test_prices_before_a_split_are_divided(self) -> None:
        """The session of the split is already in the new basis."""
        adjusted = adjust(CLOSES, SESSIONS, CLOSES, SPLIT, cutoff=LAST)
        assert adjusted.tolist() == [50, 51, 52, 50, 51, 52, 53, 54, 55, 56]

    def test_later_actions_are_ignored(self) -> None:
        """Before the split nothing is known of it, on its session it is."""
        unknown = adjust(CLOSES, SESSIONS, CLOSES, SPLIT, cutoff=date(2024, 1, 3))
        assert unknown.tolist() == CLOSES.tolist()
        known = adjust(CLOSES, SESSIONS, CLOSES, SPLIT, cutoff=date(2024, 1, 4))
        assert known[:4].tolist() == [50, 51, 52, 50]

    def test_dividend_takes_its_share_of_the_close_before(self) -> None:
        """1 - 2 / 50 of every earlier price is kept."""
        paid = actions(("2024-01-05", 1.0, 2.0))
        adjusted = adjust(CLOSES, SESSIONS, CLOSES, paid, cutoff=LAST)
        np.testing.assert_allclose(adjusted[:4], CLOSES[:4] * 0.96, rtol=1e-15)
        assert adjusted[4:].tolist() == CLOSES[4:].tolist()

    def test_split_and_dividend_of_one_session(self) -> None:
        """The dividend is per old share, in the basis of the close before."""
        both = actions(("2024-01-04", 2.0, 5.2))
        adjusted = adjust(CLOSES, SESSIONS, CLOSES, both, cutoff=LAST)
        np.testing.assert_allclose(adjusted[:3], CLOSES[:3] * 0.95 / 2, rtol=1e-15)

    def test_other_fields_use_the_closes_for_dividends(self) -> None:
        """Opens are adjusted by the same factors as closes."""
        paid = actions(("2024-01-05", 1.0, 2.0))
        opens = adjust(CLOSES + 1, SESSIONS, CLOSES, paid, cutoff=LAST)
        np.testing.assert_allclose(opens[:4], (CLOSES[:4] + 1) * 0.96, rtol=1e-15)

    def test_action_between_sessions_and_before_the_first(self) -> None:
        """One on a day without a session counts from the next; one before all does nothing."""
        early = actions(("2023-12-01", 2.0, 7.0), ("2024-01-06", 3.0, 0.0))
        kept = np.array([0, 1, 2, 3, 4, 6, 7])
        adjusted = adjust(CLOSES[kept], SESSIONS[kept], CLOSES[kept], early, cutoff=LAST)
        np.testing.assert_allclose(adjusted[:5], CLOSES[:5] / 3, rtol=1e-15)
        assert adjusted[5:].tolist() == CLOSES[6:8].tolist()

    @pytest.mark.parametrize("dividend", [50.0, 60.0])
    def test_dividend_not_below_the_close_before(self, dividend: float) -> None:
        """A dividend that would leave nothing is refused with its session."""
        with pytest.raises(DataError, match="2024-01-05") as caught:
            adjust(CLOSES, SESSIONS, CLOSES, actions(("2024-01-05", 1.0, dividend)), cutoff=LAST)
        assert caught.value.code == "dividend"

    def test_volume_is_multiplied_by_splits_only(self) -> None:
        """Volumes are in shares as they are at the cutoff."""
        both = actions(("2024-01-04", 2.0, 5.0), ("2024-01-09", 3.0, 0.0))
        ones = np.ones(10)
        adjusted = adjust_volume(ones, SESSIONS, both, cutoff=date(2024, 1, 8))
        assert adjusted.tolist() == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]

    @given(
        st.lists(
            st.tuples(st.integers(1, 9), st.sampled_from([0.5, 1.0, 2.0, 4.0]), st.floats(0, 40)),
            unique_by=lambda row: row[0],
            max_size=5,
        ),
        st.integers(0, 9),
    )
    def test_the_cutoff_s_own_price_stays(
        self, rows: list[tuple[int, float, float]], cut: int
    ) -> None:
        """The cutoff's price is as traded, and later prices have no part in the others."""
        rows = sorted(rows)
        found = Actions(
            np.array([SESSIONS[row[0]] for row in rows], "datetime64[D]"),
            np.array([row[1] for row in rows], dtype=float),
            np.array([row[2] for row in rows], dtype=float),
        )
        cutoff = SESSIONS[cut].item()
        whole = adjust(CLOSES, SESSIONS, CLOSES, found, cutoff=cutoff)
        head = adjust(
            CLOSES[: cut + 1], SESSIONS[: cut + 1], CLOSES[: cut + 1], found, cutoff=cutoff
        )
        assert whole[cut:].tolist() == CLOSES[cut:].tolist()
        assert whole[: cut + 1].tolist() == head.tolist()

    @given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=9, max_size=9))
    def test_splits_carry_prices_by_the_quotient_of_bases(self, ratios: list[float]) -> None:
        """Without dividends an adjusted price is price * basis(then) / basis(cutoff)."""
        found = Actions(SESSIONS[1:], np.array(ratios), np.zeros(9))
        adjusted = adjust(CLOSES, SESSIONS, CLOSES, found, cutoff=LAST)
        bases = np.array([basis(found, day.item()) for day in SESSIONS])
        np.testing.assert_allclose(adjusted, CLOSES * bases / bases[-1], rtol=1e-12)


def test_basis_counts_splits_up_to_the_session() -> None:
    """One before the split, two from its session on."""
    assert basis(SPLIT, date(2024, 1, 3)) == 1.0
    assert basis(SPLIT, date(2024, 1, 4)) == 2.0
    assert basis(actions_from_frame(None), date(2024, 1, 4)) == 1.0


class TestDerive:
    def test_splits_and_dividends_are_told_apart(self) -> None:
        """A usual ratio is a split, anything else a dividend, and adjusting gives it back."""
        truth = actions(("2024-01-04", 2.0, 0.0), ("2024-01-06", 1.0, 1.5), ("2024-01-08", 0.1, 0))
        adjusted = adjust(CLOSES, SESSIONS, CLOSES, truth, cutoff=LAST)
        found = derive_actions(SESSIONS, CLOSES, adjusted * 0.37)
        assert found.sessions.tolist() == truth.sessions.tolist()
        assert found.splits.tolist() == [2.0, 1.0, 0.1]
        np.testing.assert_allclose(found.dividends, [0, 1.5, 0], atol=1e-12)

    def test_rounding_is_no_action(self) -> None:
        """Adjusted prices of ten digits give no dividends."""
        assert len(derive_actions(SESSIONS, CLOSES, np.round(CLOSES * 0.123456789, 8))) == 0

    def test_unexplained_fall_is_refused(self) -> None:
        """The ratio falls only in a reverse split."""
        adjusted = CLOSES.copy()
        adjusted[5:] *= 0.97
        with pytest.raises(DataError, match="2024-01-06"):
            derive_actions(SESSIONS, CLOSES, adjusted)

    def test_prices_without_a_ratio_are_refused(self) -> None:
        """A zero or missing price is named."""
        with pytest.raises(DataError, match="2024-01-02"):
            derive_actions(SESSIONS, np.where(CLOSES == 102, 0.0, CLOSES), CLOSES)


class TestFromFrame:
    def test_rows_without_an_action_are_dropped(self) -> None:
        """A source may return a row per session."""
        frame = pd.DataFrame(
            {"split": [1.0, 2.0, 1.0], "dividend": [0.0, 0.0, 0.5]},
            index=pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"]),
        )
        found = actions_from_frame(frame)
        assert found.sessions.tolist() == [date(2024, 1, 3), date(2024, 1, 4)]
        assert found.splits.tolist() == [2.0, 1.0]
        assert actions_from_frame(frame[["split"]]).dividends.tolist() == [0.0]

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("split", 0.0),
            ("split", -2.0),
            ("split", np.nan),
            ("dividend", -1.0),
            ("dividend", np.inf),
            ("gains", 1.0),
        ],
    )
    def test_impossible_actions_are_refused(self, column: str, value: float) -> None:
        """A ratio is positive and a dividend is not negative."""
        with pytest.raises(DataError):
            actions_from_frame(
                pd.DataFrame({column: [value]}, index=pd.DatetimeIndex(["2024-01-02"]))
            )
