"""A message that asks something only since an edit is answered, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import discord
import pytest
import pytest_asyncio

from bot.answering.recovery import Recovery
from bot.discord_client.events.mentions import MentionListener
from bot.discord_client.incoming.remarks import GREETING
from tests.conversation.memory import answer
from tests.discord_client.incoming.conftest import Incoming, incoming

__all__ = ["incoming"]

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def listener(incoming: Incoming) -> MentionListener:
    recovery: Recovery[discord.Message] = Recovery(incoming.inbox, incoming.work, timedelta(0))
    await recovery.run()
    return MentionListener(incoming.reader, recovery, incoming.intake)


async def updated(incoming: Incoming, updating: Awaitable[object]) -> discord.RawMessageUpdateEvent:
    """Await what updates a message; return the event as the client received it."""
    received: asyncio.Future[Any] = asyncio.ensure_future(
        incoming.stage.client.wait_for("raw_message_edit", timeout=10)
    )
    await asyncio.sleep(0)
    await updating
    event = await received
    assert isinstance(event, discord.RawMessageUpdateEvent)
    return event


def edit(incoming: Incoming, message: discord.Message, content: str) -> Awaitable[None]:
    stage, bot = incoming.stage, incoming.stage.server.bot.id
    return stage.server.edit(message.author.id, stage.channel, message.id, content.format(bot=f"<@{bot}>"))


async def test_a_mention_that_an_edit_adds_asks_once(incoming: Incoming, listener: MentionListener) -> None:
    message = await incoming.stage.say("Hello?")
    await listener.on_message(message)
    assert incoming.stage.texts() == []
    event = await updated(incoming, edit(incoming, message, "{bot} Hello?"))
    await asyncio.gather(*(listener.on_raw_message_edit(event) for _ in range(2)))
    again = await updated(incoming, edit(incoming, message, "{bot} Hello again?"))
    await listener.on_raw_message_edit(again)
    assert incoming.stage.texts() == ["Stopped."]
    assert await incoming.unfinished() == []


async def test_an_edit_after_the_greeting_asks_once(incoming: Incoming, listener: MentionListener) -> None:
    message = await incoming.mention("")
    greeted = asyncio.create_task(listener.on_message(message))
    await asyncio.sleep(0)
    event = await updated(incoming, edit(incoming, message, "{bot} Hello?"))
    await asyncio.gather(*(listener.on_raw_message_edit(event) for _ in range(2)))
    await greeted
    assert incoming.stage.texts() == ["Stopped."], "Discord knows the greeting's nonce, so it becomes the answer"
    assert await incoming.unfinished() == []


async def test_an_edit_that_still_asks_nothing_may_be_followed_by_one_that_does(
    incoming: Incoming, listener: MentionListener
) -> None:
    message = await incoming.mention("")
    await listener.on_message(message)
    for content, reply in (("{bot} \u200b", GREETING), ("{bot} Hello?", "Stopped.")):
        await listener.on_raw_message_edit(await updated(incoming, edit(incoming, message, content)))
        assert incoming.stage.texts() == [reply]


async def test_an_edit_before_the_greeting_is_said_waits_for_it(incoming: Incoming, listener: MentionListener) -> None:
    first, second = await incoming.mention(""), await incoming.mention("")
    await listener.on_message(first)
    greeted = asyncio.create_task(listener.on_message(second))  # two seconds later: greetings gather
    event = await updated(incoming, edit(incoming, second, "{bot} Hello?"))
    await listener.on_raw_message_edit(event)
    assert greeted.done(), "said later, it would replace the answer"
    assert incoming.stage.texts() == [GREETING, "Stopped."]


async def test_the_latest_of_several_edits_is_asked(incoming: Incoming, listener: MentionListener) -> None:
    incoming.queue.pause()
    first, second = await incoming.mention(""), await incoming.mention("")
    await listener.on_message(first)
    working = [asyncio.create_task(listener.on_message(second))]
    for text in ("One?", "Two?"):
        event = await updated(incoming, edit(incoming, second, f"{{bot}} {text}"))
        working.append(asyncio.create_task(listener.on_raw_message_edit(event)))
    running = incoming.stage.client.running_replies
    reply = await incoming.stage.server.wait_for(lambda: running.get(second.id), what="its position in the queue")
    assert reply.answer.question.asked.text == "Two?"
    incoming.queue.resume()
    await asyncio.gather(*working)


@pytest.mark.parametrize("is_deletion", [False, True])
async def test_a_message_that_asks_no_more_before_its_turn_is_not_answered(
    incoming: Incoming, listener: MentionListener, is_deletion: bool
) -> None:
    stage = incoming.stage
    first, second = await incoming.mention(""), await incoming.mention("")
    await listener.on_message(first)
    greeted = asyncio.create_task(listener.on_message(second))
    asking = await updated(incoming, edit(incoming, second, "{bot} Hello?"))
    asked = asyncio.create_task(listener.on_raw_message_edit(asking))
    await asyncio.sleep(0)
    if is_deletion:
        gone: Any = SimpleNamespace(message_id=second.id)
        await listener.on_raw_message_delete(gone)
    else:
        await listener.on_raw_message_edit(await updated(incoming, edit(incoming, second, "Never mind.")))
    await asyncio.gather(greeted, asked)
    assert stage.texts() == [GREETING, GREETING]


async def test_the_preview_of_a_link_is_no_edit(incoming: Incoming, listener: MentionListener) -> None:
    stage, url = incoming.stage, "https://example.com"
    message = await incoming.mention(f"See {url}")
    assert incoming.intake.claim(message.id)
    await incoming.intake.turn_away(message, "My queue is full.")
    event = await updated(incoming, stage.server.add_preview(stage.channel, message.id, "Example", url))
    await listener.on_raw_message_edit(event)
    assert stage.texts() == ["My queue is full."]


@pytest.mark.parametrize("is_erased", [False, True])
async def test_a_question_from_before_a_restart_is_not_asked_again(
    incoming: Incoming, listener: MentionListener, is_erased: bool
) -> None:
    message = await incoming.mention("Hello?")
    question = (await incoming.reader.read(message)).question
    assert question is not None
    await answer(incoming.conversations, question)
    if is_erased:
        await incoming.conversations.erase([message.id])
    event = await updated(incoming, edit(incoming, message, "{bot} Hello, friend?"))
    await listener.on_raw_message_edit(event)
    assert incoming.stage.texts() == []


async def test_a_greeting_from_before_a_restart_does_not_hold_up_the_question(
    incoming: Incoming, listener: MentionListener
) -> None:
    message = await incoming.mention("")
    await incoming.work.turn_away(message.id)
    event = await updated(incoming, edit(incoming, message, "{bot} Hello?"))
    await listener.on_raw_message_edit(event)
    assert incoming.stage.texts() == ["Stopped."]
