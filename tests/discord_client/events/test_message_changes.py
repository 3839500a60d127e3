"""Deleted questions take their replies along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.answering.recovery import MessageGoneError
from bot.conversation.store import UnfinishedQuestion
from bot.discord_client.events.message_changes import MessageChangeListener
from bot.engine.interface import FinishReason, Outcome
from tests.discord_client.incoming.conftest import Incoming, incoming, paused

__all__ = ["incoming", "paused"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "word " * 700


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _listening(incoming: Incoming) -> AsyncIterator[None]:
    """Pass the client's events on."""
    listener = MessageChangeListener(
        incoming.conversations, incoming.modes, incoming.reader, incoming.editors, incoming.latest
    )
    heard = (listener.on_raw_message_delete, listener.on_raw_bulk_message_delete, listener.on_raw_message_edit)
    client = incoming.stage.client
    for each in heard:
        client.add_listener(each)
    yield
    for each in heard:
        client.remove_listener(each)


async def delete(incoming: Incoming, *message_ids: int) -> None:
    server, ada = incoming.stage.server, incoming.stage.person("Ada")
    if len(message_ids) > 1:
        await server.bulk_delete(ada, incoming.stage.channel, message_ids)
    else:
        await server.delete(ada, incoming.stage.channel, message_ids[0])


async def shows(incoming: Incoming, count: int) -> None:
    """Wait until there are so many messages of the bot."""
    await incoming.stage.server.wait_for(lambda: len(incoming.stage.replies()) == count, 15, what=f"{count} messages")


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_a_growing_answer_disappears(incoming: Incoming, in_bulk: bool) -> None:
    question, other = await incoming.mention("Hello?"), await incoming.stage.say("Beside it.")
    editor = incoming.editors.editor(question)
    editor.show(LONG)
    await shows(incoming, 2)
    await delete(incoming, question.id, *([other.id] if in_bulk else []))
    await shows(incoming, 0)
    assert not editor.takes_more
    assert not await editor.finish(LONG, "Stopped.")
    assert incoming.stage.replies() == []


async def test_an_answer_with_a_deleted_message_disappears_whole(incoming: Incoming) -> None:
    editor = incoming.editors.editor(await incoming.mention("Hello?"))
    editor.show(LONG)
    await shows(incoming, 2)
    await delete(incoming, int(incoming.stage.replies()[0]["id"]))
    await shows(incoming, 0)
    assert not await editor.finish(LONG)


async def test_a_question_whose_mention_is_edited_away_takes_its_answer_along(incoming: Incoming) -> None:
    question = await incoming.mention("Hello?")
    editor = incoming.editors.editor(question)
    editor.show("Hi")
    await shows(incoming, 1)
    await incoming.stage.server.edit(question.author.id, incoming.stage.channel, question.id, "Never mind.")
    await shows(incoming, 0)
    assert not await editor.finish("Hi there")


async def test_a_message_that_got_its_mention_by_an_edit_is_answered(incoming: Incoming) -> None:
    """What the bot could not read before is not deleted."""
    stage = incoming.stage
    question = await stage.say("Hello?")
    heard = asyncio.ensure_future(stage.client.wait_for("raw_message_edit", timeout=10))
    await asyncio.sleep(0)
    await stage.server.edit(question.author.id, stage.channel, question.id, "Hello again?")
    await heard
    assert await incoming.editors.editor(question).finish("Hi")
    assert stage.texts() == ["Hi"]


async def test_a_waiting_question_takes_its_position_along(paused: Incoming) -> None:
    question = await paused.mention("Hello?")
    answering = asyncio.ensure_future(paused.intake.take(question))
    await shows(paused, 1)
    await delete(paused, question.id)
    await answering
    assert paused.stage.replies() == []
    assert paused.queue.idle
    assert await paused.unfinished() == []


async def test_a_question_deleted_before_its_reply_begins_gets_none(incoming: Incoming) -> None:
    question = await incoming.mention("Hello?")
    await incoming.editors.messages_deleted([question.id])
    await incoming.intake.take(question)
    assert incoming.stage.replies() == []
    assert await incoming.unfinished() == []


async def test_a_message_whose_response_is_lost_disappears_too(incoming: Incoming) -> None:
    question = await incoming.mention("Hello?")
    incoming.stage.network.losses.append("answer")
    editor = incoming.editors.editor(question)
    editor.show("Hi")
    await shows(incoming, 1)
    await delete(incoming, question.id)
    assert not await editor.finish("Hi there")
    assert incoming.stage.replies() == []


@pytest.mark.parametrize("outcome", [None, Outcome(FinishReason.STOP)], ids=["half an answer", "a whole one"])
async def test_a_question_deleted_while_the_bot_was_away_takes_its_reply_along(
    incoming: Incoming, outcome: Outcome | None
) -> None:
    question = await incoming.mention("Hello?")
    replies = [await question.reply("Half of"), await question.reply("it, and")]
    await incoming.work.accept(question.id, incoming.reader.key(question), question.author.id)
    left = UnfinishedQuestion(question.id, incoming.stage.channel, outcome, "", (replies[0].id,), question.author.id)
    with_nobody_listening = incoming.stage.server
    with_nobody_listening.lose_events("MESSAGE_DELETE")
    await delete(incoming, question.id)
    with pytest.raises(MessageGoneError):
        await incoming.inbox.resume(left)
    await shows(incoming, 0)
    await incoming.stage.client.running_replies.wait_until_delivered()
