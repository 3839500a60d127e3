"""The arithmetic of the benchmark, and what it calls a claim."""

from __future__ import annotations

import pytest
from benchmarking.statistics import (
    Spread,
    Verdict,
    equal_share,
    gain,
    identical,
    longest_pause,
    pauses,
    pauses_meanwhile,
    percentile,
    verdict,
)


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1) == 100
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2
    assert percentile([7.0], 0.01) == 7
    with pytest.raises(ValueError, match="of 0 values"):
        percentile([], 0.5)


def test_gain_says_how_many_times_better_ours_is() -> None:
    assert gain(2.0, 6.0, lower_is_better=True) == 3
    assert gain(2.0, 6.0, lower_is_better=False) == pytest.approx(1 / 3)
    assert gain(0.0, 6.0, lower_is_better=True) is None


def test_a_missing_token_is_not_equal() -> None:
    ours, theirs = [[1, 2, 3, 4], [5, 6]], [[1, 2, 9, 4], [5, 6, 7, 8]]
    assert equal_share(ours, theirs) == pytest.approx(5 / 8)
    assert identical(ours, theirs) == 0
    assert identical(ours, ours) == 2


def test_a_pause_counts_from_before_the_beginning_and_until_the_end() -> None:
    arrivals = [1.0, 2.0, 5.0, 6.0]
    assert longest_pause(arrivals, 2.5, 6.0) == 3  # from 2 to 5
    assert longest_pause(arrivals, 5.5, 10.0) == 4  # still open at 10
    assert longest_pause([], 5.5, 10.0) == 4.5
    assert pauses(arrivals, 2.0, 5.5) == [3]  # the one before ended at 2, the next one is still open


def test_tokens_that_arrive_together_have_no_pause_between_them() -> None:
    arrivals = [1.0, 1.0, 1.0, 3.0, 3.0, 7.0]
    assert pauses(arrivals, 0.0, 7.0) == [2, 4]
    assert pauses_meanwhile(arrivals, 2.0, 8.0) == [2, 4, 1]  # the first began before, the last one is still open


def test_a_spread_is_median_least_and_most() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(median=2, least=1, most=3)
    assert Spread.of([4.0, 1.0]).median == 2.5


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.3, 1.25, 1.35], Verdict.AHEAD),
        ([0.7, 0.75, 0.72], Verdict.BEHIND),
        ([1.2, 1.2, 1.2], Verdict.AHEAD),
        ([1.3, 0.95, 1.4], Verdict.WITHIN),
        ([1.01, 1.1, 1.2], Verdict.WITHIN),  # all above 1, but one of them only just
        ([0.99, 0.9, 0.8], Verdict.WITHIN),
        ([2.5, 3.1, 11.1], Verdict.AHEAD),  # far apart, but far from 1
        ([1.0, 1.0, 1.0], Verdict.WITHIN),
        ([40.0, 30.0, 50.0], Verdict.AHEAD),
        ([1.5, 1.4], None),
        ([], None),
    ],
)
def test_a_claim_exceeds_the_spread(ratios: list[float], expected: Verdict | None) -> None:
    assert verdict(ratios) is expected


def test_a_verdict_is_the_same_from_either_side() -> None:
    opposite = {Verdict.AHEAD: Verdict.BEHIND, Verdict.BEHIND: Verdict.AHEAD, Verdict.WITHIN: Verdict.WITHIN}
    for ratios in ([1.3, 1.25, 1.35], [1.08, 1.1, 1.2], [1.01, 1.1, 1.2], [0.5, 0.4, 0.9]):
        ours = verdict(ratios)
        assert ours is not None
        assert verdict([1 / each for each in ratios]) is opposite[ours]
