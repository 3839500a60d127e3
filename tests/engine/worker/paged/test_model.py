"""The promises of the model that the prefix cache relies on."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from bot.engine.worker.paged.model import Advance, PagedModel
from tests.inference_precision import EXACT, chosen_precision

TEXT = range(100, 125)


@pytest.mark.parametrize("cache", ["f32", "u8", "u4"])
def test_a_copied_block_is_as_good_as_the_first(tiny_model: Path, cache: str) -> None:
    inference = EXACT if cache == "f32" else chosen_precision()
    model = PagedModel(tiny_model, "CPU", inference | {"KV_CACHE_PRECISION": cache}, 3)
    model.advance([Advance(TEXT[:20], 0, [0])])
    model.copy_block(0, 2)
    first, second = (model.advance([Advance(TEXT[20:25], 20, [block])]).copy() for block in (0, 2))
    assert first.any()
    assert numpy.array_equal(first, second)


def test_logits_after_every_token_are_those_of_one_token_after_another(tiny_model: Path) -> None:
    model = PagedModel(tiny_model, "CPU", EXACT, 2)
    every = model.advance([Advance(TEXT, 0, [0], every_token=True), Advance(TEXT[:7], 0, [1])]).copy()
    assert len(every) == len(TEXT) + 1
    for past, token in enumerate(TEXT):
        [alone] = model.advance([Advance([token], past, [0])])
        assert numpy.allclose(every[past], alone, atol=1e-5)
    assert numpy.allclose(every[len(TEXT)], every[6], atol=1e-5), "the second sequence, after its last token"
