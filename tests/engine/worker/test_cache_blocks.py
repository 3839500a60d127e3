"""Block arithmetic."""

from __future__ import annotations

import pytest

from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for, blocks_for_request
from tests.engine.conftest import request


@pytest.mark.parametrize(
    ("tokens", "blocks"), [(0, 0), (1, 1), (BLOCK_TOKENS, 1), (BLOCK_TOKENS + 1, 2), (10 * BLOCK_TOKENS, 10)]
)
def test_a_block_that_is_not_full_counts_whole(tokens: int, blocks: int) -> None:
    assert blocks_for(tokens) == blocks


def test_a_request_needs_room_for_prompt_and_longest_answer() -> None:
    assert blocks_for_request(request(1, 2, limit=BLOCK_TOKENS - 2)) == 1
    assert blocks_for_request(request(1, 2, limit=BLOCK_TOKENS - 1)) == 2
