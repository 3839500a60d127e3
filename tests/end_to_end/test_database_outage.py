"""Somebody holds the database's lock: the bot answers on, tells the operator, and writes everything afterwards."""

from __future__ import annotations

import io
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.cli.progress import Progress
from bot.demo.loopback import LoopbackDiscord
from bot.demo.running_bot import running_bot
from tests.end_to_end.stage import Stage, text_of, until
from tests.end_to_end.using_commands import use

COUNTRIES = ("France", "Spain")


async def test_the_bot_goes_on_from_memory_and_makes_up_for_it(
    small_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    settings = {"data_dir": tmp_path, "kv_cache_gigabytes": 0.5, "max_new_tokens": 60}
    async with (
        LoopbackDiscord() as discord,
        running_bot(discord, small_model_dir, Progress(io.StringIO()), **settings) as bot,
    ):
        stage = Stage(discord, bot)
        channel = await stage.fresh_channel("trouble")
        with closing(sqlite3.connect(tmp_path / "conversations.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for country in COUNTRIES:
                assert await stage.ask(stage.ada, channel, f"What is the capital of {country}?")
            assert other.execute("SELECT count(*) FROM turns").fetchone() == (0,)
            assert bot.application.health().details["database"] is False
            told = await use(stage, stage.ada, channel, "model info")
            assert "**Database:** " in told["content"]
            assert len(await stage.remembered(channel)) == 2

        async def is_well() -> bool:
            return bot.application.health().details["database"] is True

        await until(is_well)
        assert [text_of(turn) for turn in await stage.remembered(channel)] == [
            f"What is the capital of {country}?" for country in COUNTRIES
        ]
    with closing(sqlite3.connect(tmp_path / "conversations.sqlite3")) as file:
        assert file.execute("SELECT count(*) FROM turns").fetchone() == (2,)
        assert file.execute("SELECT count(*) FROM accepted_questions").fetchone() == (0,)
    lines = [record.getMessage() for record in caplog.records if record.name == "bot.storage.journal"]
    assert len(lines) == 2
    assert "continuing from memory" in lines[0]
