"""What the operator reads about a wrong DRAFT_MODEL_DIR, before the engine loads anything."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.application import Application
from bot.cli.progress import Progress
from bot.errors import ConfigurationError
from bot.settings import load_settings
from tests.log_records import own_records

ROOT = Path(__file__).resolve().parents[2]
TOKEN = f"{'a' * 24}.{'b' * 6}.{'c' * 27}"


def test_a_missing_draft_model_is_named(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    settings = {
        "DISCORD_TOKEN": TOKEN,
        "MODEL_DIR": str(tiny_chat_model_dir),
        "DATA_DIR": str(tmp_path / "data"),
        "DRAFT_MODEL_DIR": str(draft),
    }
    done = subprocess.run(
        [sys.executable, "-m", "bot"],
        cwd=tmp_path,
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ConfigurationError.EXIT_CODE
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"error: DRAFT_MODEL_DIR: there is no model folder at {draft}; fetch a draft model")


@pytest.mark.parametrize("setting", [{"engine": "genai"}, {"draft_tokens": 0}])
def test_a_draft_model_that_is_not_used_is_told(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: dict[str, object]
) -> None:
    draft = tmp_path / "draft"
    settings = load_settings(
        env_file=None, discord_token=TOKEN, model_dir=tiny_chat_model_dir, draft_model_dir=draft, **setting
    )
    Application(settings, Progress())
    assert [record.getMessage() for record in own_records(caplog, logging.WARNING)] == [
        f"Draft model is not used, it needs ENGINE=paged and DRAFT_TOKENS above 0: DRAFT_MODEL_DIR={draft}"
    ]
