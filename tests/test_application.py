"""What the operator reads about a DRAFT_MODEL_DIR without effect."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot.application import Application
from bot.cli.progress import Progress
from bot.settings import load_settings

TOKEN = f"{'a' * 24}.{'b' * 6}.{'c' * 27}"


@pytest.mark.parametrize("setting", [{"engine": "genai"}, {"draft_tokens": 0}, {}])
def test_a_draft_model_that_is_not_used_is_told(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: dict[str, object]
) -> None:
    draft = tmp_path / "draft"
    if not setting:  # the model itself, which would only take memory
        draft.symlink_to(tiny_chat_model_dir)
    settings = load_settings(
        env_file=None, discord_token=TOKEN, model_dir=tiny_chat_model_dir, draft_model_dir=draft, **setting
    )
    Application(settings, Progress())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "Draft model is not used, it needs ENGINE=paged, DRAFT_TOKENS above 0 and another folder than MODEL_DIR: "
        f"DRAFT_MODEL_DIR={draft}"
    ]
