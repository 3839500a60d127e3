"""The bot in a process of its own with LOG_FORMAT=json: all that it and its engine write is one object a line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.test_drain import ROOT, bot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")

LAUNCHER = ROOT / "scripts" / "bot_on_loopback.py"
MARK = "UNMENTIONABLE"


async def test_every_line_is_an_object(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "log"

    async def until_logged(event: str) -> None:
        async with asyncio.timeout(120):
            while f'"event": "{event}"' not in path.read_text(encoding="utf-8"):  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.05)

    with path.open("wb") as log:
        settings = {"LOG_FORMAT": "json", "MAX_NEW_TOKENS": "8", "SYSTEM_PROMPT": MARK}
        async with bot(tiny_chat_model_dir, tmp_path, LAUNCHER, log, **settings) as stage:
            ada, token = stage.discord.people[0], stage.discord.bot_token
            question = await stage.mention(ada, MARK)
            await until_logged("Answered")
            [engine] = [
                each
                for each in psutil.Process(stage.process.pid).children()
                if "spawn_main" in " ".join(each.cmdline())
            ]
            engine.kill()
            await until_logged("engine crashed, restarting it")
            stage.process.terminate()
            assert await stage.exit_code() == 0
    text = path.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"discord.client", "bot.cli.logged_progress", "bot.engine.worker.main"} <= {line["logger"] for line in lines}
    assert all(list(line)[:4] == ["time", "level", "logger", "event"] for line in lines)
    [answered] = [line for line in lines if line["event"] == "Answered"]
    assert (answered["message_id"], answered["outcome"]) == (str(question), "length")
    assert MARK not in text
    assert token not in text
