"""The bot is ended and started again: nothing is lost, nothing is answered twice, and nothing is forgotten."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from bot.cli.progress import Progress
from bot.demo.loopback import LoopbackDiscord
from bot.demo.running_bot import running_bot
from tests.end_to_end.stage import Payload, Stage, answer_of, text_of

FILE = "conversations.sqlite3"
RESTARTED = "I am restarting. I will answer this when I am back."


@asynccontextmanager
async def life(discord: LoopbackDiscord, model_dir: Path, data_dir: Path, **settings: object) -> AsyncIterator[Stage]:
    """One life of the bot with this folder for what it keeps."""
    values = {"data_dir": data_dir, "kv_cache_gigabytes": 0.5, "max_new_tokens": 60, **settings}
    async with running_bot(discord, model_dir, Progress(io.StringIO()), **values) as bot:
        yield Stage(discord, bot)


def bots_messages(discord: LoopbackDiscord, channel: int) -> list[Payload]:
    seen = discord.messages(discord.people[0].id, channel)
    return [message for message in seen if message["author"]["id"] == str(discord.bot.id)]


async def test_what_was_under_way_goes_on_in_the_same_message(small_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with life(discord, small_model_dir, tmp_path, max_new_tokens=700, max_batch=1) as stage:
            channel, streaming, growing = await stage.long_answer(stage.ada)
            other = await stage.fresh_channel("waiting")
            waiting = await stage.mention(stage.ada, other, "What is the capital of France?")
            await discord.wait_for(lambda: bots_messages(discord, other))

        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            # As if the crash had come in the moment in which the first message was sent.
            file.execute("DELETE FROM replies WHERE question_id = ?", (streaming,))
            file.commit()
        [broken_off], [told] = bots_messages(discord, channel), bots_messages(discord, other)
        assert broken_off["content"].endswith(f"\n-# {RESTARTED}")
        assert told["content"] == RESTARTED
        assert broken_off["components"] == told["components"] == []

        async with life(discord, small_model_dir, tmp_path) as stage:
            [finished] = await stage.answer(stage.ada, channel, streaming)
            [answered] = await stage.answer(stage.ada, other, waiting)
            turns = [(await stage.remembered(place))[0] for place in (channel, other)]

        assert finished["id"] == growing["id"] == broken_off["id"]
        assert answered["id"] == told["id"]
        assert RESTARTED not in finished["content"] + answered["content"]
        assert "Paris" in answered["content"]
        assert [turn.id for turn in turns] == [streaming, waiting]
        assert len(bots_messages(discord, channel)) == len(bots_messages(discord, other)) == 1
        assert answer_of(turns[0]).content.split() == finished["content"].split("\n-# ")[0].split()


async def test_an_answer_that_was_generated_is_delivered_and_not_generated_again(
    small_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        ada = discord.people[0]
        async with life(discord, small_model_dir, tmp_path) as stage:
            channel = await stage.fresh_channel("generated")
            question = await stage.mention(ada, channel, "What is the capital of France?")
            [half_written] = await stage.answer(ada, channel, question)
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            # As if the crash had come before the last edit.
            row = (question, channel, ada.id, "length", "", "Paris, as everybody knows")
            file.execute("INSERT INTO accepted_questions VALUES (?, ?, ?, ?, ?, ?)", row)
            file.commit()

        async with life(discord, small_model_dir, tmp_path):
            await discord.wait_for(lambda: "everybody knows" in bots_messages(discord, channel)[0]["content"])

        [delivered] = bots_messages(discord, channel)
        assert delivered["id"] == half_written["id"]
        assert delivered["content"].startswith("Paris, as everybody knows\n-# This answer reached the maximum length.")
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            assert file.execute("SELECT count(*) FROM accepted_questions").fetchone() == (0,)


async def test_what_was_asked_meanwhile_is_answered_once_and_what_was_deleted_is_not(
    small_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        async with life(discord, small_model_dir, tmp_path) as stage:
            channel, private = await stage.fresh_channel("missed"), await discord.open_dm(stage.grace.id)
            await stage.ask(stage.ada, channel, "What is the capital of France?")
            hello = await discord.send(stage.grace.id, private, "What is the capital of Spain?")
            await stage.answer(stage.grace, private, hello)

        ada, grace = discord.people[:2]
        mention = f"<@{discord.bot.id}>"
        await discord.send(ada.id, channel, "Nobody is asked anything here.")
        missed = await discord.send(ada.id, channel, f"{mention} What is the capital of Italy?")
        taken_back = await discord.send(ada.id, channel, f"{mention} What is the capital of Greece?")
        await discord.delete(ada.id, channel, taken_back)
        direct = await discord.send(grace.id, private, "And of Portugal?")

        async with life(discord, small_model_dir, tmp_path) as stage:
            [reply] = await stage.answer(ada, channel, missed)
            assert "Rome" in reply["content"]
            assert await stage.answer(grace, private, direct)
            assert [text_of(turn) for turn in await stage.remembered(channel)] == [
                "What is the capital of France?",
                "What is the capital of Italy?",
            ]
            said = len(bots_messages(discord, channel))
            await discord.invalidate_session()
            again = await stage.mention(ada, channel, "What is the capital of Spain?")
            await stage.answer(ada, channel, again)
        assert len(bots_messages(discord, channel)) == said + 1, "nothing is answered again after a new connection"

        async with life(discord, small_model_dir, tmp_path) as stage:
            last = await stage.mention(ada, channel, "What is the capital of Norway?")
            await stage.answer(ada, channel, last)
        assert len(bots_messages(discord, channel)) == said + 2


async def test_what_came_too_long_ago_is_left_alone(small_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with life(discord, small_model_dir, tmp_path) as stage:
            channel = await stage.fresh_channel("too late")
            await stage.ask(stage.ada, channel, "What is the capital of France?")
        await discord.send(discord.people[0].id, channel, f"<@{discord.bot.id}> What is the capital of Italy?")

        async with life(discord, small_model_dir, tmp_path, missed_hours=0) as stage:
            now = await stage.mention(stage.ada, channel, "What is the capital of Spain?")
            await stage.answer(stage.ada, channel, now)

        assert len(bots_messages(discord, channel)) == 2


async def test_conversations_and_personas_outlast_a_restart(small_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with life(discord, small_model_dir, tmp_path) as stage:
            channel = await stage.fresh_channel("lasting")
            await stage.ask(stage.ada, channel, "What is the capital of France?")
            conversations = stage.bot.application.answering.conversations
            await conversations.set_persona(channel, "You are a pirate.")
            before = await stage.next_prompt(channel, "And of Italy?")

        async with life(discord, small_model_dir, tmp_path) as stage:
            assert await stage.next_prompt(channel, "And of Italy?") == before
            assert "You are a pirate." in before.text


async def test_what_cannot_be_seen_at_the_start_is_finished_a_little_later(
    small_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        ada, channel = discord.people[0], discord.channels[0].id
        async with life(discord, small_model_dir, tmp_path, max_new_tokens=700) as stage:
            question = await stage.mention(ada, channel, "Repeat the word hello a thousand times.")
            await stage.growing(ada, channel, question)

        discord.set_permissions(discord.bot.id, channel, deny=["read_message_history"])
        async with life(discord, small_model_dir, tmp_path) as stage:
            later = await stage.mention(ada, discord.channels[1].id, "What is the capital of France?")
            await stage.answer(ada, discord.channels[1].id, later)
            [waiting] = bots_messages(discord, channel)
            assert RESTARTED in waiting["content"]
            discord.set_permissions(discord.bot.id, channel, allow=["read_message_history"])
            [finished] = await stage.answer(ada, channel, question)

        assert finished["id"] == waiting["id"]
        assert RESTARTED not in finished["content"]
