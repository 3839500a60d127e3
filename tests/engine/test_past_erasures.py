"""Past erasures concern what one of them concerns, however many there are."""

from __future__ import annotations

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
