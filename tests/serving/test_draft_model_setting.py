"""A draft model that is set, but not used, is said in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.conversation.memory import Memory
from tests.log_records import own_records
from tests.serving.served import make_serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_draft_model_without_drafts_is_told(
    memory: Memory, chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    serving = make_serving(
        memory, chat_model_dir, kv_cache_gigabytes=0.05, draft_tokens=0, draft_model_dir=tmp_path / "draft"
    )
    try:
        await serving.start(lambda _: None)
    finally:
        await serving.close()
    lines = [record.getMessage() for record in own_records(caplog, logging.INFO)]
    assert (
        f"Draft model is not used, it needs ENGINE=paged and DRAFT_TOKENS above 0: DRAFT_MODEL_DIR={tmp_path / 'draft'}"
        in lines
    )
    [ready] = [line for line in lines if line.startswith("Engine ready: ")]
    assert ready.endswith(" draft_model=none")
