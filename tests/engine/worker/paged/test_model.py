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
