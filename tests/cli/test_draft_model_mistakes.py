"""A start with a wrong DRAFT_MODEL_DIR ends with one line, before the engine loads anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bot.errors import ConfigurationError

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
