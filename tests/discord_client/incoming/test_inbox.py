"""Discord as recovery sees it: accepted questions to resume, and missed ones to answer."""

from __future__ import annotations

import asyncio

import pytest

from bot.answering.recovery import MessageGoneError, UnreachableError
from bot.conversation.store import UnfinishedQuestion
from bot.engine.interface import FinishReason, Outcome
from tests.discord_client.incoming.conftest import Incoming

pytestmark = pytest.mark.asyncio(loop_scope="session")


def unfinished(
    message_id: int,
    channel_id: int,
    outcome: Outcome | None = None,
    *,
    answer: str = "",
    replies: tuple[int, ...] = (),
    author_id: int = 0,
) -> UnfinishedQuestion:
    return UnfinishedQuestion(message_id, channel_id, outcome, answer, replies, author_id)


async def test_missed_messages_are_those_for_the_bot_the_oldest_first(incoming: Incoming) -> None:
    first = await incoming.mention("Before.")
    await incoming.stage.say("Nobody is asked.")
    missed = [await incoming.mention(text) for text in ("One?", "Two?")]
    found = await incoming.inbox.missed(incoming.stage.channel, first.id)
    assert [message.id for message in found] == [message.id for message in missed]
    assert await incoming.inbox.missed(incoming.stage.channel, missed[-1].id) == []


async def test_a_resumed_question_has_its_ticket_on_return(paused: Incoming) -> None:
    message = await paused.mention("Hello?")
    await paused.inbox.resume(unfinished(message.id, message.channel.id))
    assert paused.queue.waiting == 1
    paused.queue.resume()
    await paused.stage.server.wait_for(lambda: paused.stage.texts() == ["Stopped."], what="the reply")


async def test_deleting_a_resumed_reply_means_its_question(paused: Incoming) -> None:
    message = await paused.mention("Hello?")
    reply = await message.reply("Half of")
    await paused.inbox.resume(unfinished(message.id, message.channel.id, replies=(reply.id,)))
    question_of = paused.conversations.question_of
    await paused.stage.server.wait_for(lambda: question_of(reply.id) == message.id, what="the reply to be known")
    paused.queue.resume()
    await paused.stage.server.wait_for(lambda: paused.stage.texts() == ["Stopped."], what="the reply")


async def test_a_missed_question_has_its_ticket_at_once(paused: Incoming) -> None:
    paused.inbox.answer([await paused.mention("Hello?")])
    assert paused.queue.waiting == 1
    paused.queue.resume()
    await paused.stage.server.wait_for(lambda: paused.stage.texts() == ["Stopped."], what="the reply")


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_generated_answer_is_delivered_into_its_reply(incoming: Incoming, is_recorded: bool) -> None:
    message = await incoming.mention("Hello?")
    reply = await message.reply("Half of")
    left = unfinished(
        message.id,
        message.channel.id,
        Outcome(FinishReason.STOP),
        answer="Half of it.",
        replies=(reply.id,) if is_recorded else (),
    )
    await incoming.inbox.resume(left)
    await incoming.stage.server.wait_for(lambda: incoming.stage.texts() == ["Half of it."], what="the reply")


async def test_what_cannot_be_read_is_told_from_what_is_gone(incoming: Incoming) -> None:
    server, channel = incoming.stage.server, incoming.stage.server.channels[1].id
    message = await incoming.mention("Hello?", by="Ada", channel=channel)
    server.set_permissions(server.bot.id, channel, deny=["read_message_history"])
    with pytest.raises(UnreachableError):
        await incoming.inbox.resume(unfinished(message.id, channel))
    with pytest.raises(MessageGoneError):
        await incoming.inbox.missed(1, 0)  # a channel that no longer exists
    server.set_permissions(server.bot.id, channel, allow=["read_message_history"])
    await server.delete(incoming.stage.person("Ada"), channel, message.id)
    with pytest.raises(MessageGoneError):
        await incoming.inbox.resume(unfinished(message.id, channel))


async def test_a_channel_without_history_is_unreadable_not_empty(incoming: Incoming) -> None:
    stage, channel = incoming.stage, incoming.stage.server.add_channel("no-history").id
    await incoming.mention("Hello?", by="Ada", channel=channel)
    hearing = asyncio.ensure_future(stage.client.wait_for("guild_channel_update", timeout=10))
    await asyncio.sleep(0)
    stage.server.set_permissions(stage.server.bot.id, channel, deny=["read_message_history"])
    await hearing
    with pytest.raises(UnreachableError, match="Read Message History"):
        await incoming.inbox.missed(channel, 0)


async def test_a_question_whose_mention_was_edited_away_meanwhile_is_taken_back(incoming: Incoming) -> None:
    """Discord hides its text, and the half of an answer would stay for ever."""
    server, stage = incoming.stage.server, incoming.stage
    message = await incoming.mention("Hello?")
    reply = await message.reply("Half of")
    await server.edit(stage.person("Grace"), stage.channel, message.id, "Never mind.")
    with pytest.raises(MessageGoneError):
        await incoming.inbox.resume(unfinished(message.id, stage.channel, replies=(reply.id,)))
    await server.wait_for(lambda: not stage.texts(), what="no reply")
    # It may be asked again.
    await server.edit(stage.person("Grace"), stage.channel, message.id, f"<@{server.bot.id}> Hello?")
    incoming.inbox.answer([await message.channel.fetch_message(message.id)])
    await server.wait_for(lambda: stage.texts() == ["Stopped."], what="the reply")


async def test_a_channel_that_is_deleted_while_it_is_read_is_gone(incoming: Incoming) -> None:
    server, channel = incoming.stage.server, incoming.stage.channel
    message = await incoming.mention("Hello?")
    for read in (incoming.inbox.missed(channel, 0), incoming.inbox.resume(unfinished(message.id, channel))):
        server.fail_next("GET", f"/channels/{channel}/messages", 404, code=10003)
        with pytest.raises(MessageGoneError):
            await read


async def test_a_notice_that_a_crash_left_unrecorded_is_not_said_again(incoming: Incoming) -> None:
    """It names several members, and replies to the first of them only."""
    stage, line = incoming.stage, "My queue is full."
    first, second = await incoming.mention("One?", by="Grace"), await incoming.mention("Two?", by="Linus")
    third = await incoming.mention("Three?", by="Ada")
    await first.reply(f"{first.author.mention}, {second.author.mention}: {line}")
    for message in (first, second, third):
        await incoming.work.owe_notice(message.id, stage.channel, message.author.id, line)
    for left in await incoming.work.unfinished():
        await incoming.inbox.resume(left)
    await stage.server.wait_for(lambda: len(stage.texts()) == 2, what="the notice to the third")
    assert stage.texts()[1] == line
    await stage.client.running_replies.wait_until_delivered()
    assert await incoming.unfinished() == []
