"""Past erasures concern what one of them concerns, however many there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.interface import Erasure, Source
from bot.engine.past_erasures import PastErasures

few_ids = st.integers(1, 4)
erasures = st.builds(
    Erasure,
    st.integers(1, 9),
    st.none() | st.frozensets(few_ids, max_size=3),
    st.none() | few_ids,
    st.none() | st.frozensets(few_ids, max_size=3),
    st.none() | few_ids,
).filter(lambda erasure: erasure != Erasure(erasure.number))


@given(st.lists(erasures, max_size=8), st.builds(Source, st.just(0), few_ids, few_ids, few_ids), st.integers(0, 9))
def test_they_concern_what_a_later_one_of_them_concerns(past: list[Erasure], source: Source, after: int) -> None:
    expected = any(each.number > after and each.concerns(source) for each in past)
    assert PastErasures(past).concern(source, after) == expected


@pytest.mark.timeout(60)
def test_years_of_retention_and_thousands_of_members_do_not_hold_up_a_start() -> None:
    """One comparison after the other would take minutes."""
    years = [Erasure(number, before_id=number) for number in range(20_000)]
    members = [Erasure(number, author_id=number) for number in range(20_000, 30_000)]
    past = PastErasures([*years, *members])
    assert not any(past.concern(Source(0, message_id, 1, 1), 0) for message_id in range(20_000, 70_000))
    assert past.concern(Source(0, 19_998, 1, 1), 19_998)
    assert past.concern(Source(0, 20_000, 29_999, 1), 29_998)
