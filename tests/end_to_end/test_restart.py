"""The bot restarts: no question is dropped or answered twice, and nothing is forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.stage import ENDLESS, Payload, answer_of, online

FILE = "conversations.sqlite3"
TOKENS = 40
RESTARTED = "I am restarting. I will answer this when I am back."


def bots_messages(discord: LoopbackDiscord, channel: int) -> list[Payload]:
    """Return the bot's messages in a channel, the oldest first."""
    seen = discord.messages(discord.people[0].id, channel)
    return [message for message in seen if message["author"]["id"] == str(discord.bot.id)]


async def test_running_and_waiting_answers_finish_in_the_same_messages(small_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        # A late text would come in a message of its own.
        settings = {"data_dir": tmp_path, "ping_after_seconds": 0}
        async with online(small_model_dir, discord, **settings, max_new_tokens=700, max_batch=1) as stage:
            channel, streaming, reply = await stage.long_answer(stage.ada)
            other = await stage.fresh_channel("waiting")
            waiting = await stage.mention(stage.ada, other, "What is the capital of France?")
            await discord.wait_for(lambda: bots_messages(discord, other))

        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            # As after a crash right after the first message was sent.
            file.execute("DELETE FROM replies WHERE question_id = ?", (streaming,))
            file.commit()
        [suspended], [position] = bots_messages(discord, channel), bots_messages(discord, other)
        assert suspended["content"].endswith(f"\n-# {RESTARTED}")
        assert position["content"] == RESTARTED
        assert suspended["components"] == position["components"] == []

        async with online(small_model_dir, discord, **settings, max_new_tokens=TOKENS) as stage:
            [finished] = await stage.answer(stage.ada, channel, streaming)
            [answered] = await stage.answer(stage.ada, other, waiting)
            turns = [(await stage.remembered(each))[0] for each in (channel, other)]

        assert finished["id"] == reply["id"] == suspended["id"]
        assert answered["id"] == position["id"]
        assert RESTARTED not in finished["content"] + answered["content"]
        assert "Paris" in answered["content"]
        assert [turn.id for turn in turns] == [streaming, waiting]
        assert len(bots_messages(discord, channel)) == len(bots_messages(discord, other)) == 1
        assert answer_of(turns[0]).content.split() == finished["content"].split("\n-# ")[0].split()


async def test_several_members_of_one_channel_are_answered_on_after_a_restart(
    small_model_dir: Path, tmp_path: Path
) -> None:
    """Once each, in the same messages; memory has each member's questions in order, and what Discord shows."""
    async with LoopbackDiscord() as discord:
        settings = {"data_dir": tmp_path, "ping_after_seconds": 0}
        async with online(small_model_dir, discord, **settings, max_new_tokens=700) as stage:
            channel, first, _ = await stage.long_answer(stage.ada)
            beside = await stage.mention(stage.grace, channel, ENDLESS)
            await stage.streaming(stage.grace, channel, beside)
            waiting = await stage.mention(stage.ada, channel, "What is the capital of France?")
            await discord.wait_for(lambda: len(bots_messages(discord, channel)) == 3)
            before = {message["id"] for message in bots_messages(discord, channel)}

        async with online(small_model_dir, discord, **settings, max_new_tokens=TOKENS) as stage:
            asked = {first: stage.ada, beside: stage.grace, waiting: stage.ada}
            shown = {each: await stage.answer(person, channel, each) for each, person in asked.items()}
            turns = await stage.remembered(channel)

        assert {message["id"] for message in bots_messages(discord, channel)} == before
        assert sorted(turn.id for turn in turns) == sorted(asked)
        ids = [turn.id for turn in turns]
        assert ids.index(first) < ids.index(waiting), "a member's own questions stay in order"
        assert [turn.parent_id for turn in turns] == [None, *ids[:-1]]
        for turn in turns:
            [message] = shown[turn.id]
            assert answer_of(turn).content.split() == message["content"].split("\n-# ")[0].split()


async def test_a_generated_answer_is_delivered_and_not_generated_again(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        ada = discord.people[0]
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            channel = await stage.fresh_channel("generated")
            question = await stage.mention(ada, channel, "What is the capital of France?")
            [unfinished] = await stage.answer(ada, channel, question)
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            # As after a crash before the last edit.
            row = (question, channel, ada.id, "answer", "length", "", "Paris, as everybody knows")
            columns = "message_id, channel_id, author_id, task, outcome, detail, answer"
            file.execute(f"INSERT INTO accepted_questions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            file.commit()

        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS):
            await discord.wait_for(lambda: "everybody knows" in bots_messages(discord, channel)[0]["content"])

        [delivered] = bots_messages(discord, channel)
        assert delivered["id"] == unfinished["id"]
        assert delivered["content"].startswith("Paris, as everybody knows\n-# This answer reached the maximum length.")
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            assert file.execute("SELECT count(*) FROM accepted_questions").fetchone() == (0,)


async def test_missed_questions_are_answered_once_and_deleted_ones_are_not(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            channel, private = await stage.fresh_channel("missed"), await discord.open_dm(stage.grace.id)
            await stage.ask(stage.ada, channel, "What is the capital of France?")
            hello = await discord.send(stage.grace.id, private, "What is the capital of Spain?")
            await stage.answer(stage.grace, private, hello)

        ada, grace = discord.people[:2]
        mention = f"<@{discord.bot.id}>"
        await discord.send(ada.id, channel, "This asks nothing.")
        missed = await discord.send(ada.id, channel, f"{mention} What is the capital of Italy?")
        taken_back = await discord.send(ada.id, channel, f"{mention} What is the capital of Greece?")
        await discord.delete(ada.id, channel, taken_back)
        direct = await discord.send(grace.id, private, "And of Portugal?")

        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            assert await stage.answer(ada, channel, missed)
            assert await stage.answer(grace, private, direct)
            assert await stage.questions(channel) == [
                "What is the capital of France?",
                "What is the capital of Italy?",
            ]
            count = len(bots_messages(discord, channel))
            await discord.invalidate_session()
            again = await stage.mention(ada, channel, "What is the capital of Spain?")
            await stage.answer(ada, channel, again)
        assert len(bots_messages(discord, channel)) == count + 1, "a new connection answers nothing again"

        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            last = await stage.mention(ada, channel, "What is the capital of Norway?")
            await stage.answer(ada, channel, last)
        assert len(bots_messages(discord, channel)) == count + 2


async def test_questions_from_too_long_ago_stay_unanswered(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            channel = await stage.fresh_channel("too late")
            await stage.ask(stage.ada, channel, "What is the capital of France?")
        await discord.send(discord.people[0].id, channel, f"<@{discord.bot.id}> What is the capital of Italy?")

        async with online(
            tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS, missed_hours=0
        ) as stage:
            now = await stage.mention(stage.ada, channel, "What is the capital of Spain?")
            await stage.answer(stage.ada, channel, now)

        assert len(bots_messages(discord, channel)) == 2


async def test_conversations_and_personas_survive_a_restart(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            channel = await stage.fresh_channel("lasting")
            await stage.ask(stage.ada, channel, "What is the capital of France?")
            conversations = stage.bot.application.answering.conversations
            await conversations.set_persona(channel, "You are a pirate.")
            before = await stage.next_prompt(channel, "And of Italy?")

        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            assert await stage.next_prompt(channel, "And of Italy?") == before
            assert "You are a pirate." in before.text


async def test_a_channel_that_is_hidden_at_the_start_is_recovered_later(small_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        ada, channel = discord.people[0], discord.channels[0].id
        async with online(small_model_dir, discord, data_dir=tmp_path, max_new_tokens=700) as stage:
            question = await stage.mention(ada, channel, ENDLESS)
            await stage.streaming(ada, channel, question)

        discord.set_permissions(discord.bot.id, channel, deny=["read_message_history"])
        async with online(
            small_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS, ping_after_seconds=0
        ) as stage:
            later = await stage.mention(ada, discord.channels[1].id, "What is the capital of France?")
            await stage.answer(ada, discord.channels[1].id, later)
            waiting, told = bots_messages(discord, channel)
            assert RESTARTED in waiting["content"]
            assert "permission Read Message History" in told["content"]
            discord.set_permissions(discord.bot.id, channel, allow=["read_message_history"])
            finished, _ = await stage.answer(ada, channel, question)

        assert finished["id"] == waiting["id"]
        assert RESTARTED not in finished["content"]
