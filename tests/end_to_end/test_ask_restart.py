"""The bot restarts in the middle of answers to interactions: each goes on, and nothing is lost silently."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord, Person
from bot.discord_client.incoming.asked_interaction import AskedInteraction
from tests.end_to_end.asking import begin, direct_messages, responses
from tests.end_to_end.stage import Payload, Stage, answer_of, can_be_stopped, online, until

FILE = "conversations.sqlite3"
TOKENS = 20
RESTARTED = "I am restarting. I will answer this when I am back."


def accepted(folder: Path) -> list[str]:
    """What the database keeps of interactions that are not answered yet."""
    with closing(sqlite3.connect(folder / FILE)) as file:
        return [str(row[0]) for row in file.execute("SELECT interaction FROM accepted_questions")]


async def suspended(discord: LoopbackDiscord, person: Person, channel: int, interaction_id: int) -> Payload:
    """Wait until a response says that a restart goes on with it."""
    return await discord.wait_for(
        lambda: next(
            (
                response
                for response in responses(discord, person, channel, interaction_id)
                if response["content"].endswith(RESTARTED)
            ),
            None,
        )
    )


async def interrupt(model_dir: Path, folder: Path, discord: LoopbackDiscord, **options: object) -> tuple[int, int]:
    """Ask and end the bot before the answer begins; return the channel's id and the interaction's."""
    async with online(model_dir, discord, data_dir=folder, max_new_tokens=TOKENS) as stage:
        channel = await stage.fresh_channel("interrupted")
        stage.bot.application.answering.queue.pause()
        interaction_id, _ = await begin(stage, stage.grace, channel, question="Who am I?", **options)
        await until(lambda: stage.bot.application.client.running_replies.get(interaction_id) is not None)
    [kept] = accepted(folder)
    assert "Who am I?" in kept
    return channel, interaction_id


@pytest.mark.parametrize("is_private", [False, True])
async def test_an_answer_goes_on_in_its_message(tiny_chat_model_dir: Path, tmp_path: Path, is_private: bool) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        channel, interaction_id = await interrupt(tiny_chat_model_dir, tmp_path, discord, private=is_private)
        before = await suspended(discord, grace, channel, interaction_id)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            await stage.answered(interaction_id)
            [turn] = await stage.remembered(channel, -grace.id if is_private else 0)
        [response] = responses(discord, grace, channel, interaction_id)
        assert response["id"] == before["id"]
        assert answer_of(turn).content.split()[0] in response["content"]
        assert RESTARTED not in response["content"]
        assert direct_messages(discord, grace) == []
    assert accepted(tmp_path) == []


async def test_a_private_answer_after_its_time_is_a_direct_message(
    tiny_chat_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        _, interaction_id = await interrupt(tiny_chat_model_dir, tmp_path, discord, private=True)
        discord.expire_interaction(interaction_id)
        monkeypatch.setattr(AskedInteraction, "seconds_left", 0.0)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            await stage.answered(interaction_id)
        [late] = direct_messages(discord, grace)
        assert late["content"].startswith(f"> <@{grace.id}> asked: Who am I?\n")
    assert accepted(tmp_path) == []


async def test_a_response_that_a_crash_left_unrecorded_is_found(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        channel, interaction_id = await interrupt(tiny_chat_model_dir, tmp_path, discord)
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            file.execute("DELETE FROM replies")
            file.commit()
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            await stage.answered(interaction_id)
        assert len(responses(discord, grace, channel, interaction_id)) == 1
        assert len([m for m in discord.messages(grace.id, channel) if int(m["author"]["id"]) == discord.bot.id]) == 1


async def test_a_generated_answer_is_delivered_by_the_token_of_its_interaction(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        channel, interaction_id = await interrupt(tiny_chat_model_dir, tmp_path, discord, private=True)
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            # As after a crash before the last edit.
            file.execute("UPDATE accepted_questions SET outcome = 'stop', detail = '', answer = 'You are Grace.'")
            file.commit()

        def is_delivered() -> bool:
            [response] = responses(discord, grace, channel, interaction_id)
            return bool(response["content"].endswith("asked: Who am I?\nYou are Grace."))

        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS):
            await discord.wait_for(is_delivered)
    assert accepted(tmp_path) == []


async def test_a_long_answer_is_a_file_rather_than_a_sixth_message(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        linus = discord.people[2]
        discord.install_app(linus.id)
        channel = discord.add_server("Book club").channels[0].id
        settings: dict[str, object] = {"data_dir": tmp_path, "max_new_tokens": TOKENS, "max_reply_messages": 10}
        async with online(tiny_chat_model_dir, discord, **settings) as stage:
            stage.bot.application.answering.queue.pause()
            interaction_id, _ = await begin(stage, linus, channel, question="Who am I?")
            await until(lambda: stage.bot.application.client.running_replies.get(interaction_id) is not None)
        with closing(sqlite3.connect(tmp_path / FILE)) as file:
            answer = "You are Linus. " * 2_000
            file.execute("UPDATE accepted_questions SET outcome = 'stop', detail = '', answer = ?", (answer,))
            file.commit()

        def last() -> Payload:
            return responses(discord, linus, channel, interaction_id)[-1]

        async with online(tiny_chat_model_dir, discord, **settings):
            await discord.wait_for(lambda: last()["attachments"])
            assert len(responses(discord, linus, channel, interaction_id)) == 5
        assert last()["attachments"][0]["filename"] == "answer.md"


async def test_an_answer_ends_in_time_with_what_there_is(
    tiny_chat_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AskedInteraction, "seconds_left", 2.0)
    async with LoopbackDiscord() as discord:
        linus = discord.people[2]
        discord.install_app(linus.id)
        channel = discord.add_server("Book club").channels[0].id
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=3_500) as stage:
            interaction_id, _ = await begin(stage, linus, channel, question="Who am I?")
            await stage.answered(interaction_id)
            [turn] = await stage.remembered(channel, linus.id)
        *_, last = responses(discord, linus, channel, interaction_id)
        assert "so I ended this answer. Ask for a shorter one." in last["content"]
        assert answer_of(turn).content
        assert direct_messages(discord, linus) == []


async def test_an_answer_stops_growing_at_a_restart_and_is_generated_again(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        grace = discord.people[1]
        channel = 0
        asked: list[int] = []
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=700) as stage:
            channel = await stage.fresh_channel("growing")
            for is_private in (False, True):
                interaction_id, _ = await begin(stage, grace, channel, question="Who am I?", private=is_private)
                asked.append(interaction_id)
            await growing(stage, grace, channel, asked[0])
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=TOKENS) as stage:
            for interaction_id in asked:
                await stage.answered(interaction_id)
                for response in responses(discord, grace, channel, interaction_id):
                    assert RESTARTED not in response["content"]
                    assert not can_be_stopped(response)
    assert accepted(tmp_path) == []


async def growing(stage: Stage, person: Person, channel: int, interaction_id: int) -> None:
    """Wait until an answer has a Stop button."""
    await stage.discord.wait_for(
        lambda: any(map(can_be_stopped, responses(stage.discord, person, channel, interaction_id)))
    )
