"""What a post in a forum and a thread begin with belongs to their first question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import discord
import pytest

from bot.discord_client.incoming.remarks import GREETING
from tests.discord_client.incoming.conftest import Incoming
from tests.discord_client.incoming.message_kinds import (
    HIDDEN,
    PICTURE,
    SKIPPED_PICTURE,
    TEXT,
    ada,
    worded,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def post(incoming: Incoming, title: str, content: str, tags: Sequence[str] = ()) -> discord.Message:
    """Ada begins a post in a new forum."""
    stage = incoming.stage
    forum = stage.server.add_forum("support", tags=["boats", "help"])
    posting = stage.server.create_post(ada(stage), forum.id, title, content, tags=tags)
    received = stage.client.wait_for("message", check=lambda message: message.channel.id == message.id, timeout=10)
    message, _ = await asyncio.gather(received, posting)
    assert isinstance(message, discord.Message)
    return message


async def test_a_posts_title_and_tags_belong_to_its_first_question(incoming: Incoming) -> None:
    bot = f"<@{incoming.stage.server.bot.id}>"
    message = await post(incoming, "Which boat?", f"{bot} It must not leak.", tags=["help"])
    read = await incoming.reader.read(message)
    assert worded(read.question) == "Which boat?\n(Tags: help)\n\nIt must not leak."
    assert read.question is not None
    assert read.question.thread_starter is not None
    assert await read.question.thread_starter() is None
    assert incoming.reader.text(message) == read.question.asked.text, "an edit keeps the title"
    title_alone = await post(incoming, "Which boat?", bot)
    assert incoming.reader.invitation(title_alone) is None
    assert worded((await incoming.reader.read(title_alone)).question) == "Which boat?"
    nothing = await post(incoming, "\u200b\u3164", bot)
    assert incoming.reader.invitation(nothing) == GREETING


async def test_a_later_question_in_a_post_quotes_its_title(incoming: Incoming) -> None:
    bot = f"<@{incoming.stage.server.bot.id}>"
    begun = await post(incoming, "Which boat?", f"{bot} must not leak", tags=["boats"])
    question = (await incoming.reader.read(await incoming.mention("So?", channel=begun.id))).question
    assert question is not None
    assert question.thread_starter is not None
    quote = await question.thread_starter()
    assert quote is not None
    assert quote.text == "Which boat?\n(Tags: boats)\n\nmust not leak"


async def test_the_files_of_a_threads_starter_are_read_and_told(incoming: Incoming) -> None:
    stage = incoming.stage
    channel = stage.server.channels[2].id
    starter = await incoming.mention("", by="Ada", channel=channel, files=[TEXT, PICTURE])
    thread = await stage.server.create_thread(ada(stage), channel, "Boat", message_id=starter.id)
    read = await incoming.reader.read(await incoming.mention("So?", channel=thread))
    assert read.question is not None
    assert read.question.thread_starter is not None
    quote = await read.question.thread_starter()
    assert quote is not None
    assert [file.name for file in quote.files] == ["boat.txt", "cat.png"]
    assert read.remarks == [SKIPPED_PICTURE]


async def test_a_hidden_starter_is_told(incoming: Incoming) -> None:
    stage = incoming.stage
    channel = stage.server.channels[2].id
    starter = await stage.say("Our boat leaks.", by="Ada", channel=channel)
    thread = await stage.server.create_thread(ada(stage), channel, "Boat", message_id=starter.id)
    read = await incoming.reader.read(await incoming.mention("So?", channel=thread))
    assert read.question is not None
    assert read.question.thread_starter is not None
    assert read.remarks == []
    await read.question.thread_starter()
    assert read.remarks == [HIDDEN.replace("you replied to", "this thread began with")]


async def test_a_hidden_post_shows_its_title_alone(incoming: Incoming) -> None:
    begun = await post(incoming, "Which boat?", "It must not leak.")
    read = await incoming.reader.read(await incoming.mention("So?", channel=begun.id))
    assert read.question is not None
    assert read.question.thread_starter is not None
    quote = await read.question.thread_starter()
    assert quote is not None
    assert quote.text == "Which boat?\n[message, not readable]"
    assert read.remarks == [HIDDEN.replace("you replied to", "this thread began with")]
