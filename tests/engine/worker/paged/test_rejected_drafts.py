"""What a rejected draft leaves in a cache block: nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.precision import KEY_SCALES_PROPERTY, OWN_SCALES
from tests.engine.worker.paged.drafts.same_text import TEXT
from tests.inference_precision import EXACT

PROMPT = TEXT[:20]
ANSWER = TEXT[20:70]
WRONG = TEXT[100:105]


def load(model_dir: Path, properties: dict[str, str]) -> PagedModel:
    return PagedModel(model_dir, "CPU", {"INFERENCE_NUM_THREADS": "1", **properties}, blocks=4)


def stored_answer(model: PagedModel, drafted: Sequence[Sequence[int]]) -> list[NDArray[numpy.uint8]]:
    """Read a prompt and an answer, a token and its draft in each step, and return the bytes of the blocks."""
    blocks = [0, 1, 2, 3]
    model.advance([Advance(PROMPT, 0, blocks[:1])])
    for index, (token, draft) in enumerate(zip(ANSWER, drafted, strict=True)):
        rows = enumerate((token, *draft), len(PROMPT) + index)
        model.advance([Advance([each], past, blocks[: past // BLOCK_TOKENS + 1]) for past, each in rows])
    return [numpy.concatenate([numpy.asarray(part) for part in model.block_bytes(block)]) for block in blocks]


def differing_bytes(model_dir: Path, properties: dict[str, str]) -> int:
    """Compare the two full blocks of a run with rejected drafts and of one without."""
    without = stored_answer(load(model_dir, properties), [()] * len(ANSWER))
    drafted = [WRONG[: index % 6] for index in range(len(ANSWER))]
    with_drafts = stored_answer(load(model_dir, properties), drafted)
    full = (len(PROMPT) + len(ANSWER)) // BLOCK_TOKENS
    return sum(int((one != other).sum()) for one, other in zip(without[:full], with_drafts[:full], strict=True))


@pytest.mark.parametrize("properties", [EXACT, {**EXACT, "KV_CACHE_PRECISION": "u8", KEY_SCALES_PROPERTY: OWN_SCALES}])
def test_a_rejected_draft_leaves_nothing_in_a_block(tiny_model: Path, properties: dict[str, str]) -> None:
    assert differing_bytes(tiny_model, properties) == 0


def test_with_scales_by_channel_it_would(tiny_model: Path) -> None:
    """Why drafts need keys that are scaled by token."""
    properties = {**EXACT, "KV_CACHE_PRECISION": "u8", KEY_SCALES_PROPERTY: "BY_CHANNEL"}
    assert differing_bytes(tiny_model, properties) > 0


CACHES = [
    EXACT,
    *({**EXACT, "KV_CACHE_PRECISION": "u8", KEY_SCALES_PROPERTY: scales} for scales in (OWN_SCALES, "BY_CHANNEL")),
    {**EXACT, "KV_CACHE_PRECISION": "u4"},
]


@pytest.mark.parametrize("properties", CACHES)
def test_what_follows_a_blocks_tokens_is_cleared_and_they_stay(tiny_model: Path, properties: dict[str, str]) -> None:
    model = load(tiny_model, properties)
    kept = []
    for earlier in (PROMPT, TEXT[200:230]):
        model.advance([Advance(earlier, 0, [0])])
        model.advance([Advance(PROMPT, 0, [0])])
        model.clear_after(0, len(PROMPT))
        kept.append([bytes(part) for part in model.block_bytes(0)])
    assert kept[0] == kept[1]
    cleared = model.advance([Advance([ANSWER[0]], len(PROMPT), [0])]).copy()
    model.advance([Advance(PROMPT, 0, [0])])
    numpy.testing.assert_array_equal(model.advance([Advance([ANSWER[0]], len(PROMPT), [0])]), cleared)
