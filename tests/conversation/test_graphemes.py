"""A cut that tears a grapheme cluster is found from its neighborhood alone."""

from __future__ import annotations

import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation.graphemes import torn_by_cut

CLUSTERS = (
    *("a", " ", "\n", "\r\n", "é", "你", "👍", "각"),
    *("e\u0301", "a\u0308\u0323", "ก็", "क\u094dषि"),
    *("🇩🇪", "🇫🇷", "👍🏽", "1\ufe0f\u20e3", "👨\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈"),
)


@given(st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=60))
def test_a_cut_is_moved_to_the_start_of_the_cluster_that_it_tears(clusters: list[str]) -> None:
    text = "".join(clusters)
    starts = list(accumulate(map(len, clusters), initial=0))
    for cut in range(len(text) + 1):
        assert cut - torn_by_cut(text, cut) == max(start for start in starts if start <= cut)


@pytest.mark.parametrize("length", range(1, 100))
def test_flags_are_paired_from_the_beginning_of_their_row(length: int) -> None:
    assert torn_by_cut("🇩🇪" * 100, 2 * length) == 0
    assert torn_by_cut("🇩🇪" * 100, 2 * length + 1) == 1


def test_a_pile_of_marks_may_be_torn() -> None:
    text = "a" + "\u0301" * 100_000
    assert torn_by_cut(text, 32) == 32
    assert torn_by_cut(text, 33) == 0
    assert torn_by_cut(text, 50_000) == 0


def test_a_long_row_of_flags_takes_no_time() -> None:
    began = time.process_time()
    assert torn_by_cut("🇩🇪" * 100_000, 199_999) == 1
    assert time.process_time() - began < 1.0
