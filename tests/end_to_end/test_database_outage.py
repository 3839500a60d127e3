"""Another process locks the database: the bot keeps answering, warns the operator, and catches up afterwards."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.commands import model_info, press
from tests.end_to_end.offers import answered, message_now, told
from tests.end_to_end.stage import labels, online, until

COUNTRIES = ("France", "Spain")


async def test_the_bot_keeps_answering_and_catches_up(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=20) as stage:
        application = stage.bot.application
        channel = await stage.fresh_channel("outage")
        with closing(sqlite3.connect(tmp_path / "conversations.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for country in COUNTRIES:
                assert await stage.ask(stage.ada, channel, f"What is the capital of {country}?")
            assert other.execute("SELECT count(*) FROM turns").fetchone() == (0,)
            assert application.health().details["database"] is False
            assert "**Database:** " in await model_info(stage)
            assert len(await stage.remembered(channel)) == 2

        await until(lambda: application.health().details["database"] is True)
        assert await stage.questions(channel) == [f"What is the capital of {country}?" for country in COUNTRIES]
    with closing(sqlite3.connect(tmp_path / "conversations.sqlite3")) as file:
        assert file.execute("SELECT count(*) FROM turns").fetchone() == (2,)
        assert file.execute("SELECT count(*) FROM accepted_questions").fetchone() == (0,)
    lines = [record.getMessage() for record in caplog.records if record.name == "bot.storage.journal"]
    assert len(lines) == 2
    assert "continuing from memory" in lines[0]


async def test_a_button_says_that_it_needs_the_database(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=20) as stage:
        application = stage.bot.application
        channel = await stage.fresh_channel("outage")
        with closing(sqlite3.connect(tmp_path / "conversations.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            _, message = await answered(stage, stage.ada, channel)
            assert "The database is unavailable" in await told(stage, stage.ada, channel, message, "Regenerate")
        await until(lambda: application.health().details["database"] is True)
        await press(stage, stage.ada, channel, message, "Regenerate")
        await stage.discord.wait_for(lambda: "2/2" in labels(message_now(stage, stage.ada, channel, message) or {}))
