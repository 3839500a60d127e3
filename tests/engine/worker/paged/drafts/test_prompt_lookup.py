"""What prompt lookup drafts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.worker.paged.drafts.prompt_lookup import PromptLookup
from bot.engine.worker.paged.schedule import RunningRequest
from tests.engine.conftest import request

STOP = 99


def draft(*tokens: int, count: int = 4) -> list[int]:
    sequence = RunningRequest.of(1, request(*tokens, stop=frozenset({STOP})))
    [drafted] = PromptLookup().draft([(sequence, count)])
    return list(drafted)


@pytest.mark.parametrize(
    ("tokens", "drafted"),
    [
        pytest.param([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], [4, 5, 6, 7], id="what followed"),
        pytest.param([1, 2, 3, 4, 9, 1, 2, 3, 5, 1, 2, 3], [5, 1, 2, 3], id="the latest match"),
        pytest.param([8, 1, 2, 3, 4, 9, 1, 2, 3, 5, 8, 1, 2, 3], [4, 9, 1, 2], id="the longest match"),
        pytest.param([1, 2, 3, 1, 2, 3], [1, 2, 3, 1], id="a repetition goes on beyond the end"),
        pytest.param([7, 7, 7, 7], [7, 7, 7, 7], id="the same token again and again"),
        pytest.param([1, 2, 3, 4, STOP, 5, 1, 2, 3], [4], id="not what follows a stop token"),
        pytest.param([1, 2, 3, STOP, 5, 1, 2, 3], [], id="no stop token: the step chooses it anyway"),
        pytest.param([1, 2, 3, 4, 5, 6, 7, 9, 2, 3], [4, 5, 6, 7], id="after a short match"),
        pytest.param([1, 2, 3, 4, 5, 9, 3], [], id="after too short a match"),
        pytest.param([1, 2, 3, 4, 5, 6], [], id="nothing new"),
        pytest.param([5], [], id="a single token"),
        pytest.param([200_000, 3, 55_296, 200_001, 200_000, 3, 55_296], [200_001, 200_000, 3, 55_296], id="large ids"),
    ],
)
def test_drafts(tokens: list[int], drafted: list[int]) -> None:
    assert draft(*tokens) == drafted


def test_no_more_than_twice_the_match_is_drafted() -> None:
    assert draft(*range(30), 8, 9, count=20) == list(range(10, 14))
    assert draft(*range(30), *range(6, 10), count=20) == list(range(10, 18))
    assert draft(*range(30), *range(10), count=20) == list(range(10, 30))


def test_each_answer_gets_its_own_draft_of_its_own_length() -> None:
    first = RunningRequest.of(1, request(1, 2, 3, 4, 5, 1, 2, 3))
    second = RunningRequest.of(2, request(6, 2, 3, 8, 9, 6, 2, 3))
    new = RunningRequest.of(3, request(1, 2, 3))
    assert PromptLookup().draft([(first, 1), (new, 3), (second, 3)]) == [[4], [], [8, 9, 6]]


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=80),
    st.lists(st.integers(0, 2), max_size=30),
    st.integers(1, 20),
)
def test_a_growing_answer_gets_the_draft_of_its_whole_text(prompt: list[int], answer: list[int], count: int) -> None:
    lookup, sequence = PromptLookup(), RunningRequest.of(1, request(*prompt))
    for token in answer:
        assert lookup.draft([(sequence, count)]) == [expected(sequence.tokens, count)]
        sequence.tokens.append(token)


def expected(tokens: Sequence[int], count: int) -> list[int]:
    """Compare every earlier place with the end."""
    matches = [(_common_end(tokens[:place], tokens), place) for place in range(1, len(tokens))]
    length, place = max(matches, default=(0, 0))
    if length < 2:
        return []
    whole = list(tokens)
    for index in range(min(count, 2 * length)):
        whole.append(whole[place + index])
    return whole[len(tokens) :]


def _common_end(first: Sequence[int], second: Sequence[int]) -> int:
    length = 0
    while length < min(len(first), 64) and first[-length - 1] == second[-length - 1]:
        length += 1
    return length
