"""Messages that Discord does not show the bot, in part or at all, and what it says about them."""

from __future__ import annotations

import discord
import pytest

from bot.discord_client.incoming.reader import ReadMessage
from bot.discord_client.incoming.remarks import REPLY_HIDDEN, ROLE_ALONE
from tests.discord_client.incoming.conftest import Incoming
from tests.discord_client.incoming.message_kinds import (
    DELETED,
    HIDDEN,
    STICKER,
    TEXT,
    Send,
    ada,
    components,
    embed,
    forward,
    pin,
    poll,
    reply_to,
    sticker,
    text,
    voice,
    worded,
)
from tests.discord_client.incoming.test_reader import forget_messages

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    "send", [text("Fish fly."), text("", TEXT), forward, poll, voice, embed, components], ids=lambda send: send.__name__
)
async def test_a_hidden_quote_is_told_with_the_way_out(incoming: Incoming, send: Send) -> None:
    read = (await reply_to(incoming, send)).read
    assert read.remarks == [HIDDEN]
    assert worded(read.question).endswith("who wrote: [message, not readable])")
    assert await reading_again(incoming, send) == ReadMessage(None, [HIDDEN])


async def reading_again(incoming: Incoming, send: Send) -> ReadMessage:
    return (await reply_to(incoming, send, content="")).read


async def test_what_is_not_hidden_is_not_called_hidden(incoming: Incoming) -> None:
    mentioning = (await reply_to(incoming, text(f"<@{incoming.stage.server.bot.id}> Fish fly."))).read
    assert mentioning.remarks == []
    assert worded(mentioning.question).endswith("who wrote: Fish fly.)")
    stuck = (await reply_to(incoming, sticker)).read
    assert stuck.remarks == [STICKER]
    announced = (await reply_to(incoming, pin)).read
    assert announced.remarks == []
    assert "pinned a message" in worded(announced.question)
    own = await (await incoming.mention("Hello?")).reply("My queue is full.")
    assert (await incoming.reader.read(await incoming.mention("Why?", reply_to=own.id))).remarks == []


async def test_a_hidden_mention_of_the_role_is_told(incoming: Incoming) -> None:
    assert incoming.reader.invitation(await incoming.stage.say("What only a role's mention shows")) == ROLE_ALONE


async def test_a_reply_whose_mention_is_off_is_told_how_to_ask(incoming: Incoming) -> None:
    stage = incoming.stage
    own = await (await incoming.mention("Hello?")).reply("Hi.")
    reply = await stage.say("And now?", reply_to=own.id, mentions_author=False)
    assert not reply.content
    assert incoming.reader.is_meant_for_bot(reply)
    assert incoming.reader.invitation(reply) == REPLY_HIDDEN
    other = await stage.say("Fish fly.")
    assert not incoming.reader.is_meant_for_bot(await stage.say("No.", reply_to=other.id, mentions_author=False))


async def test_a_deleted_quote_is_told(incoming: Incoming) -> None:
    stage = incoming.stage
    asked = await reply_to(incoming, text("Fish fly."))
    await stage.server.delete(ada(stage), stage.channel, asked.quoted_id)
    read = await incoming.reader.read(await asked.message.channel.fetch_message(asked.message.id))
    assert read.remarks == [DELETED]
    assert worded(read.question) == "Is that so?\n\n(In reply to somebody, who wrote: [message, not readable])"


@pytest.mark.parametrize(
    ("status", "remark"),
    [(403, "I could not read the message you replied to. Copy its text into yours."), (404, DELETED), (200, None)],
)
async def test_a_quote_that_comes_without_its_message_is_fetched(
    incoming: Incoming, status: int, remark: str | None
) -> None:
    stage = incoming.stage
    asked = await reply_to(incoming, text(f"<@{stage.server.bot.id}> Fish fly."))
    assert asked.message.reference is not None
    asked.message.reference.resolved = None
    forget_messages(stage.client)
    if status != 200:
        stage.server.fail_next("GET", f"*/messages/{asked.quoted_id}", status)
    read = await incoming.reader.read(asked.message)
    assert read.remarks == ([] if remark is None else [remark])
    assert (read == asked.read) is (remark is None)


async def test_the_line_that_begins_a_thread_quotes_its_starter(incoming: Incoming) -> None:
    stage = incoming.stage
    channel = stage.server.channels[2].id
    starter = await incoming.mention("Our boat leaks.", by="Ada", channel=channel)
    thread = await stage.server.create_thread(ada(stage), channel, "Boat", message_id=starter.id)
    announcement = await stage.receive(stage.server.welcome(ada(stage), thread), channel=thread)
    message = await incoming.mention("", channel=thread, reply_to=announcement.id)
    line = message.reference.resolved if message.reference else None
    assert isinstance(line, discord.Message)
    line.type = discord.MessageType.thread_starter_message
    assert worded((await incoming.reader.read(message)).question) == "Ada asks: Our boat leaks."


async def test_what_discord_writes_in_a_members_name_asks_nothing(incoming: Incoming) -> None:
    dm = await incoming.stage.server.open_dm(ada(incoming.stage))
    message = await incoming.stage.say("Hello?", by="Ada", channel=dm)
    assert incoming.reader.is_meant_for_bot(message)
    message.type = discord.MessageType.poll_result
    assert not incoming.reader.is_meant_for_bot(message)
