"""`python -m bot run` in the foreground and in the background of a terminal, as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from bot.demo.loopback import LoopbackDiscord
from bot.discord_client.invite import invite_link
from tests.cli.test_main import ROOT, SETTINGS, names_in
from tests.pseudo_terminal import CTRL_C, on_terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")

RUN = (sys.executable, "-m", "bot", "run")
ASKED = "Paste the token; it stays hidden: "


def environment(**more: str) -> Mapping[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in SETTINGS}
    return {**inherited, "PYTHONPATH": str(ROOT), **more}


async def test_the_first_start_asks_and_then_answers(tmp_path: Path, tiny_chat_model_dir: Path) -> None:
    async with LoopbackDiscord() as server:
        server.remove_bot(server.guild_id)
        addresses = [server.api_url, server.gateway_url, server.cdn_url]
        command = [sys.executable, str(ROOT / "scripts" / "bot_on_loopback.py"), *addresses, "run"]
        settings = environment(MODEL_DIR=str(tiny_chat_model_dir), KV_CACHE_GIGABYTES="0.05")
        async with on_terminal(command, tmp_path, settings) as (terminal, process):
            await terminal.until(ASKED)
            terminal.type(f"{server.bot_token}\n")
            await terminal.until(f"with this link: {invite_link(server.bot.id)}")
            await terminal.until("is online; servers: 0. Ctrl-C ends it.")
            await terminal.until(
                f"The bot is in no server yet; open the link to add it to one: url={invite_link(server.bot.id)}"
            )
            started = [each for each in psutil.Process(process.pid).children(recursive=True) if each.is_running()]
            shown = [*psutil.Process(process.pid).cmdline(), *(part for each in started for part in each.cmdline())]
            assert not any(server.bot_token in part for part in shown)
            terminal.type(CTRL_C)
            assert await process.wait() == 0
            assert server.bot_token not in terminal.screen


async def test_ctrl_c_leaves_nothing_behind_and_a_stop_of_the_job_shows_nothing(tmp_path: Path) -> None:
    async with on_terminal(RUN, tmp_path, environment()) as (terminal, process):
        await terminal.until(ASKED)
        assert not terminal.echoes
        terminal.show_input()  # as a shell does while the job is stopped
        process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            while terminal.echoes:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
        terminal.type("hunter2\n")
        await terminal.until("This is no bot's token: 7 characters in 1 part")
        await terminal.until(ASKED)
        terminal.type(CTRL_C)
        await terminal.until("Stopped; nothing is written.")
        assert await process.wait() == 130
        assert terminal.echoes
        assert "hunter2" not in terminal.screen
        assert "Traceback" not in terminal.screen
    assert names_in(tmp_path) == []


async def test_nobody_is_asked_in_the_background_or_where_the_question_would_not_be_seen(tmp_path: Path) -> None:
    run = f"'{sys.executable}' -m bot run"
    script = f"set -m; {run} & wait $!; echo code $?; {run} 2>errors; cat errors; rm errors"
    async with on_terminal(["sh", "-c", script], tmp_path, environment()) as (terminal, process):
        await terminal.until("error: DISCORD_TOKEN is not set; there is no ")
        await terminal.until("code 2")
        await terminal.until("error: DISCORD_TOKEN is not set; there is no ")
        await process.wait()
    assert names_in(tmp_path) == []
