"""The buttons below answers after a restart, and a restart in the middle of what they do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.answering import compaction, prefill_ahead
from bot.demo.loopback import LoopbackDiscord
from bot.discord_client.rest.permissions import READ_MESSAGE_HISTORY
from tests.end_to_end.asking import ask
from tests.end_to_end.commands import press
from tests.end_to_end.offers import answered, message_now, told, with_labels, with_version
from tests.end_to_end.stage import Payload, Stage, answer_of, can_be_stopped, labels, online, until

FILE = "conversations.sqlite3"
LEFT, RIGHT = "\N{BLACK LEFT-POINTING TRIANGLE}", "\N{BLACK RIGHT-POINTING TRIANGLE}"
CUT = ["Regenerate", "Continue", "Delete"]
TOKENS = 20
MANY_TOKENS = 600
"""Take more than one message."""
RESTARTED = "I am restarting. I will answer this when I am back."


def unfinished(folder: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(folder / FILE)) as file:
        return list(file.execute("SELECT message_id, task FROM accepted_questions"))


async def shown_answer(stage: Stage, channel: int) -> str:
    [*_, turn] = await stage.remembered(channel)
    return answer_of(turn).content


async def test_a_version_that_a_restart_interrupts_is_finished_after_it(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        ada, grace = discord.people[:2]
        settings = {"data_dir": tmp_path, "max_new_tokens": TOKENS}
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            channel = await stage.fresh_channel("interrupted")
            asked_by_message, message = await answered(stage, grace, channel)
            first = await shown_answer(stage, channel)
            other = await stage.fresh_channel("asked")
            asked_by_command, response = await ask(stage, ada, other, question="Who am I?")
            stage.bot.application.answering.queue.pause()
            running = stage.bot.application.client.running_replies
            await press(stage, grace, channel, message, "Regenerate")
            await press(stage, ada, other, response, "Regenerate")
            await until(lambda: bool(running.get(asked_by_message) and running.get(asked_by_command)))

            def waits() -> Payload | None:
                now = message_now(stage, grace, channel, message)
                return now if now is not None and can_be_stopped(now) else None

            waiting = await discord.wait_for(waits)
            assert first.strip()[:20] in waiting["content"], "the version stays until there is another"
        assert sorted(unfinished(tmp_path)) == sorted(
            (one, "regenerate") for one in (asked_by_message, asked_by_command)
        )
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            message = await with_version(stage, grace, channel, message, "2/2")
            response = await with_version(stage, ada, other, response, "2/2")
            second = await shown_answer(stage, channel)
            assert second != first
            assert message["content"].startswith(second.strip()[:20])
            header, _, answer = response["content"].partition("\n")
            assert header == f"> <@{ada.id}> asked: Who am I?"
            assert answer.startswith((await shown_answer(stage, other)).strip()[:20])
            assert RESTARTED not in message["content"] + response["content"]
            await until(lambda: unfinished(tmp_path) == [])


async def test_a_version_that_was_generated_before_a_crash_is_delivered(
    tiny_chat_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (prefill_ahead, compaction):  # as if many conversations were more recent
        monkeypatch.setattr(module, "_MOST_CONVERSATIONS", 0)
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        settings = {"data_dir": tmp_path, "max_new_tokens": TOKENS}
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            channel = await stage.fresh_channel("crashed")
            question, message = await answered(stage, grace, channel)
            await press(stage, grace, channel, message, "Regenerate")
            message = await with_version(stage, grace, channel, message, "2/2")
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            # As after a crash before the last edit.
            file.execute("UPDATE turns SET answer = 'You are Grace.' WHERE id = ?", (question,))
            file.execute("UPDATE answer_versions SET answer = 'You are Grace.' WHERE number = 2")
            values = "outcome, detail, answer) SELECT id, channel_id, author_id, 'regenerate', 'length', '', ''"
            file.execute(
                f"INSERT INTO accepted_questions (message_id, channel_id, author_id, task, {values} FROM turns"
            )
            file.commit()

        def is_delivered() -> bool:
            now = message_now(stage, grace, channel, message)
            return now is not None and now["content"].startswith("You are Grace.") and "2/2" in labels(now)

        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            await discord.wait_for(is_delivered)
            await until(lambda: unfinished(tmp_path) == [])


async def test_buttons_from_before_a_restart_work(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        grace, linus = discord.people[1:3]
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=MANY_TOKENS) as stage:
            channel = await stage.fresh_channel("long")
            question = await stage.mention(grace, channel, "Who am I?")
            long_before = await stage.answer(grace, channel, question)
            assert len(long_before) > 1
            assert [labels(message) for message in long_before[:-1]] == [[]] * (len(long_before) - 1)
            assert labels(long_before[-1]) == CUT
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            first = long_before[0]
            line = await told(stage, linus, channel, long_before[-1], "Regenerate")
            assert "Only the member who asked" in line
            await press(stage, grace, channel, long_before[-1], "Regenerate")
            short = await with_version(stage, grace, channel, first, "2/2")
            await discord.wait_for(lambda: len(stage.replies(grace, channel, question)) == 1)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            await press(stage, grace, channel, short, LEFT)
            await discord.wait_for(lambda: len(stage.replies(grace, channel, question)) == len(long_before))
            await discord.wait_for(
                lambda: labels(stage.replies(grace, channel, question)[-1]) == [LEFT, "1/2", RIGHT, *CUT]
            )
            long_again = stage.replies(grace, channel, question)
            assert [one["content"] for one in long_again] == [one["content"] for one in long_before]
            assert [labels(message) for message in long_again[:-1]] == [[]] * (len(long_before) - 1)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            await press(stage, grace, channel, long_again[-1], "Delete")
            await discord.wait_for(lambda: stage.replies(grace, channel, question) == [])

            async def is_forgotten() -> bool:
                return await stage.remembered(channel) == []

            await until(is_forgotten)


async def test_an_edit_and_a_newer_answer_after_a_restart_change_the_buttons(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        settings = {"data_dir": tmp_path, "max_new_tokens": TOKENS}
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            channel = await stage.fresh_channel("edited")
            question, older = await answered(stage, grace, channel)
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            await discord.edit(grace.id, channel, question, f"<@{discord.bot.id}> Who is Ada?")
            await with_labels(stage, grace, channel, older, "Answer again", "Continue", "Delete")
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            _, latest = await answered(stage, grace, channel, "And now?")
            assert labels(latest) == CUT
            await with_labels(stage, grace, channel, older)


async def test_the_same_in_direct_messages(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        settings = {"data_dir": tmp_path, "max_new_tokens": TOKENS}
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            private = await discord.open_dm(grace.id)
            question = await discord.send(grace.id, private, "Who am I?")
            [older] = await stage.answer(grace, private, question)
            assert labels(older) == CUT
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            await discord.edit(grace.id, private, question, "Who is Ada?")
            await with_labels(stage, grace, private, older, "Answer again", "Continue", "Delete")
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            newer = await discord.send(grace.id, private, "And now?")
            [latest] = await stage.answer(grace, private, newer)
            assert labels(latest) == CUT
            await with_labels(stage, grace, private, older)


async def test_messages_that_the_bot_may_not_read_stay_as_they_are(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=MANY_TOKENS) as stage:
            channel = discord.add_channel("no history").id
            question = await stage.mention(grace, channel, "Who am I?")
            before = await stage.answer(grace, channel, question)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            discord.set_permissions(discord.bot.id, channel, deny=["read_message_history"])
            assert READ_MESSAGE_HISTORY in await told(stage, grace, channel, before[-1], "Regenerate")
            assert stage.bot.application.answering.queue.idle
            assert [message_now(stage, grace, channel, one) for one in before] == before
