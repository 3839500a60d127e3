"""A question is about the whole chain of replies, as far back as the conversation does not hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import discord
import pytest

import bot.discord_client.incoming.quoted_message as module
from bot.conversation.quoting import IsHeld
from bot.conversation.turn import Quote, Relation
from bot.discord_client.incoming.reader import ReadMessage
from tests.discord_client.incoming.conftest import Incoming
from tests.discord_client.incoming.message_kinds import HIDDEN, SKIPPED_PICTURE, ada, forward, worded
from tests.discord_client.incoming.test_reader import forget_messages

pytestmark = pytest.mark.asyncio(loop_scope="session")

HIDDEN_EARLIER = HIDDEN.replace("the message you replied to", "an earlier message in this chain of replies")


def nothing(_message_id: int) -> bool:
    return False


async def earlier(read: ReadMessage, is_held: IsHeld = nothing) -> Sequence[Quote]:
    assert read.question is not None
    assert read.question.earlier_quotes is not None
    return await read.question.earlier_quotes(is_held)


async def chain(incoming: Incoming, *texts: str, by: Sequence[str] = ("Ada", "Grace")) -> list[discord.Message]:
    """Messages that mention the bot, each a reply to the one before."""
    messages: list[discord.Message] = []
    for number, text in enumerate(texts):
        reply_to = messages[-1].id if messages else None
        messages.append(await incoming.mention(text, by=by[number % len(by)], reply_to=reply_to))
    return messages


def quote_of(message: discord.Message, text: str, name: str) -> Quote:
    return Quote(message.id, message.author.id, name, text, (), Relation.EARLIER)


@pytest.mark.parametrize("is_fetched", [False, True])
async def test_the_chain_is_read_backwards_with_its_authors(incoming: Incoming, is_fetched: bool) -> None:
    first, second, third, last = await chain(incoming, "Do fish fly?", "They do.", "Says who?", "Is that so?")
    if is_fetched:
        forget_messages(incoming.stage.client)
    read = await incoming.reader.read(last)
    assert await earlier(read) == [quote_of(first, "Do fish fly?", "Ada"), quote_of(second, "They do.", "Grace")]
    assert read.question is not None
    assert [quote.message_id for quote in read.question.asked.quotes] == [third.id]
    assert read.remarks == []


async def test_the_chain_ends_before_what_the_conversation_holds(incoming: Incoming) -> None:
    messages = await chain(incoming, "one", "two", "three", "four", "five")
    read = await incoming.reader.read(messages[-1])
    found = await earlier(read, lambda message_id: message_id == messages[1].id)
    assert [quote.text for quote in found] == ["three"]


async def test_what_the_bot_wrote_is_part_of_the_chain(incoming: Incoming) -> None:
    notice = await (await incoming.mention("Do fish fly?")).reply("They do.")
    doubt = await incoming.mention("Says who?", by="Ada", reply_to=notice.id)
    question = await incoming.mention("Well?", reply_to=doubt.id)
    read = await incoming.reader.read(question)
    found = await earlier(read)
    assert [(quote.author_name, quote.text) for quote in found] == [("Grace", "Do fish fly?"), ("Phi", "They do.")]
    assert read.question is not None
    asked = replace(read.question.asked, quotes=(*found, *read.question.asked.quotes))
    assert worded(replace(read.question, asked=asked)) == (
        "Well?\n\n(Earlier, Grace wrote: Do fish fly?)\n\n(Earlier, Phi wrote: They do.)\n\n"
        "(In reply to Ada, who wrote: Says who?)"
    )


async def test_a_long_chain_is_read_as_far_as_eight_messages(incoming: Incoming) -> None:
    *_, last = await chain(incoming, *(f"message {number}" for number in range(12)))
    found = await earlier(await incoming.reader.read(last))
    assert [quote.text for quote in found] == [f"message {number}" for number in range(3, 10)]


async def test_the_chain_ends_silently_at_a_deleted_message(incoming: Incoming) -> None:
    stage = incoming.stage
    _, second, _, last = await chain(incoming, "one", "two", "three", "four")
    await stage.server.delete(ada(stage), stage.channel, second.id)
    forget_messages(stage.client)
    read = await incoming.reader.read(last)
    assert await earlier(read) == []
    assert read.remarks == []


async def test_a_circle_ends_the_chain(incoming: Incoming) -> None:
    _, second, third, last = await chain(incoming, "one", "two", "three", "four")
    read = await incoming.reader.read(last)
    second.reference = third.reference
    assert [quote.text for quote in await earlier(read)] == ["two"]


async def test_discord_gets_limited_time_for_the_chain(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_, last = await chain(incoming, "one", "two", "three")
    read = await incoming.reader.read(last)
    forget_messages(incoming.stage.client)
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    incoming.stage.server.fail_next("GET", f"*/messages/{first.id}", 500, retry_after=1.0)
    try:
        assert await earlier(read) == []
    finally:
        incoming.stage.server.end_faults()
    assert read.remarks == []


async def test_a_message_in_the_chain_is_read_as_it_is_now(incoming: Incoming) -> None:
    stage = incoming.stage
    first, _, last = await chain(incoming, "one", "two", "three")
    read = await incoming.reader.read(last)
    forget_messages(stage.client)
    await stage.server.edit(ada(stage), stage.channel, first.id, f"<@{stage.server.bot.id}> edited")
    assert [quote.text for quote in await earlier(read)] == ["edited"]


async def test_a_hidden_message_in_the_chain_is_marked_and_told_once(incoming: Incoming) -> None:
    stage = incoming.stage
    first = await stage.receive(stage.server.send(ada(stage), stage.channel, "Do fish fly?"))
    replying = stage.server.send(ada(stage), stage.channel, "Well?", reply_to=first.id)
    second = (await stage.receive(replying)).id
    third = await incoming.mention("They do.", by="Ada", reply_to=second)
    read = await incoming.reader.read(await incoming.mention("Is that so?", reply_to=third.id))
    marked = "[message, not readable]"
    assert [(quote.author_name, quote.text) for quote in await earlier(read)] == [("Ada", marked), ("Ada", marked)]
    assert read.remarks == [HIDDEN_EARLIER]
    read = await incoming.reader.read(await incoming.mention("Is that so?", reply_to=second))
    assert [quote.text for quote in await earlier(read)] == [marked]
    assert read.remarks == [HIDDEN]


async def test_files_forwards_and_polls_in_the_chain_are_read_within_the_same_limit(incoming: Incoming) -> None:
    stage = incoming.stage
    channel = await stage.server.open_dm(ada(stage))
    sent = (await stage.receive(forward(stage, channel), channel=channel)).id
    large = ("large.txt", b"x" * 990)
    sending = stage.server.send(ada(stage), channel, "Look.", reply_to=sent, files=[large])
    second = (await stage.receive(sending, channel=channel)).id
    sending = stage.server.send(ada(stage), channel, "Is that so?", reply_to=second)
    read = await incoming.reader.read(await stage.receive(sending, channel=channel))
    (found,) = await earlier(read)
    assert found.text == "[forwarded message]\nThe boat leaks."
    assert [file.name for file in found.files] == ["cat.png", "boat.txt"]
    assert SKIPPED_PICTURE in read.remarks
    assert any("boat.txt: it is too large" in remark for remark in read.remarks)


@pytest.mark.parametrize("is_public", [True, False])
async def test_a_forward_names_its_channel_if_everybody_here_may_know_it(incoming: Incoming, is_public: bool) -> None:
    stage = incoming.stage
    dm = await stage.server.open_dm(ada(stage))
    message = await stage.receive(forward(stage, dm), channel=dm)
    assert message.reference is not None
    guild, source = stage.client.guilds[0], stage.client.get_channel(message.reference.channel_id)
    assert isinstance(source, discord.TextChannel)
    message.guild = guild  # Discord hides forwards in a server without the message-content intent
    known = source._overwrites
    hidden = {"id": guild.id, "type": 0, "allow": "0", "deny": str(discord.Permissions(view_channel=True).value)}
    source._fill_overwrites({"permission_overwrites": [] if is_public else [hidden]})  # type: ignore[arg-type]
    text = incoming.reader.text(message)
    source._overwrites = known
    origin = f"message forwarded from #{source.name}" if is_public else "forwarded message"
    assert text == f"[{origin}]\nThe boat leaks."
