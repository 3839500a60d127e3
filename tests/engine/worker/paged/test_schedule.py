"""How a step is shared out between requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.worker.paged.schedule import RunningRequest, share_out
from tests.engine.conftest import request


def reading(unread: int, read: int = 0) -> RunningRequest:
    """A request in the middle of its prompt."""
    sequence = RunningRequest.of(0, request(*range(read + unread)))
    sequence.read = read
    return sequence


def generating(prompt: int = 5, answer: int = 1) -> RunningRequest:
    """A request whose latest token is still to be computed."""
    sequence = RunningRequest.of(0, request(*range(prompt)))
    sequence.tokens += [7] * answer
    sequence.read = prompt + answer - 1
    return sequence


BATCHES = st.lists(
    st.builds(reading, st.integers(1, 300), st.integers(0, 50)) | st.builds(generating, st.integers(1, 9)),
    max_size=20,
)


def shares_of(sequences: Sequence[RunningRequest], prompt_tokens: int) -> list[int]:
    """Each request's share; 0 for one that does not take part."""
    shares = {id(sequence): count for sequence, count in share_out(sequences, prompt_tokens)}
    return [shares.get(id(sequence), 0) for sequence in sequences]


@given(BATCHES, st.integers(0, 1500))
def test_answers_get_a_token_each_and_prompts_share_the_rest_fairly(batch: list[RunningRequest], budget: int) -> None:
    shared_out = share_out(batch, budget)
    assert len({id(sequence) for sequence, _ in shared_out}) == len(shared_out)
    assert all(count > 0 for _, count in shared_out)
    shares = dict(zip(map(id, batch), shares_of(batch, budget), strict=True))
    assert all(shares[id(each)] == 1 for each in batch if each.generates)

    prompts = [(shares[id(each)], each.unread) for each in batch if not each.generates]
    assert sum(share for share, _ in prompts) == min(budget, sum(unread for _, unread in prompts))
    assert all(share <= unread for share, unread in prompts)
    most = max((share for share, _ in prompts), default=0)
    assert all(share >= most - 1 for share, unread in prompts if share < unread), "one waits behind another"


@pytest.mark.parametrize(
    ("unread", "budget", "expected"),
    [
        ([100], 64, [64]),
        ([100, 100], 64, [32, 32]),
        ([1000, 10, 100], 90, [40, 10, 40]),
        ([10, 10], 90, [10, 10]),
    ],
)
def test_what_a_short_prompt_leaves_goes_to_the_longer_ones(
    unread: list[int], budget: int, expected: list[int]
) -> None:
    assert shares_of([reading(each) for each in unread], budget) == expected


def test_a_running_request_knows_its_progress() -> None:
    sequence = RunningRequest.of(3, request(1, 2, 2, 3, limit=60))
    assert (sequence.request_id, sequence.unread, sequence.generates, sequence.new_tokens) == (3, 4, False, 0)
    assert sequence.seen == set()
    assert sequence.most_blocks == 2
    sequence.read = 4
    sequence.tokens.append(9)
    assert (sequence.unread, sequence.generates, sequence.new_tokens) == (1, True, 1)
    assert sequence.request.prompt_ids == (1, 2, 2, 3)
