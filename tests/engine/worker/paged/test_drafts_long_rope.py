"""Drafts on both sides of the original context of a model with LongRoPE."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models.phi3 import write_tiny_phi3

from tests.engine.conftest import request
from tests.engine.worker.paged.drafts.draft_sources import Distort, ScriptedDrafts, load_with_drafts, take_every_draft
from tests.engine.worker.paged.drafts.same_text import SAMPLINGS, TEXT, Plain, check, half_right
from tests.shared_folder import shared_folder

ORIGINAL = 128


@pytest.fixture(scope="module")
def long_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def write(folder: Path) -> None:
        write_tiny_phi3(folder, context=1024, original_context=ORIGINAL)

    return shared_folder(tmp_path_factory, "tiny-long-phi3", write)


@pytest.mark.parametrize("distort", [half_right, lambda right, _: right], ids=["half right", "right"])
def test_answers_cross_the_border_as_without_drafts(
    long_model: Path, distort: Distort, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_every_draft(monkeypatch)
    plain = Plain(long_model)
    asked = [
        request(*TEXT[:length], limit=24, sampling=sampling)
        for length in (*range(ORIGINAL - 9, ORIGINAL + 2), ORIGINAL - 30, ORIGINAL + 50)
        for sampling in (SAMPLINGS[0], SAMPLINGS[4])
    ]
    plain.learn(asked)
    driver = load_with_drafts(long_model, ScriptedDrafts(plain.next_tokens, distort))
    check(driver, plain, asked)
    assert driver.backend.state.accepted_tokens
