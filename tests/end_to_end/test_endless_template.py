"""A start that waits for a model's endless chat template ends when it is told to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.malformed_json import change
from tests.prompting.template_children import ENDLESS, rendering

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="there the process is killed, and its child with it")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_start_ends_at_once(tiny_chat_model_dir: Path, tmp_path: Path, ending: signal.Signals) -> None:
    model = Path(shutil.copytree(tiny_chat_model_dir, tmp_path / "model"))
    change(model / "tokenizer_config.json", ["chat_template"], ENDLESS)
    token = f"{'a' * 24}.{'b' * 6}.{'c' * 27}"
    settings = {"DISCORD_TOKEN": token, "MODEL_DIR": str(model), "DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen(
        [sys.executable, "-m", "bot"],
        cwd=tmp_path,
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as bot:
        while not rendering(bot.pid):
            time.sleep(0.02)
        processes = psutil.Process(bot.pid).children(recursive=True)
        started = time.monotonic()
        bot.send_signal(ending)
        _, errors = bot.communicate()
        assert time.monotonic() - started < 9  # much less on a quiet machine; the template has ten seconds
    assert bot.returncode == 0
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(processes, timeout=1)
    assert alive == []
