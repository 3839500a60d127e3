"""What the model and the member learn of messages that are more than text: asked alone, and replied to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import discord
import pytest

from bot.conversation.turn import Question
from bot.conversation.wording import messages_of
from bot.discord_client.incoming.reader import ReadMessage
from bot.discord_client.incoming.remarks import GREETING, ROLE_ALONE
from tests.discord_client.incoming.conftest import Incoming
from tests.discord_client.incoming.test_reader import forget_messages
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURE = ("cat.png", b"\x89PNG\r\n\x1a\n")
TEXT = ("boat.txt", b"Minnow sails.")
EMBED = {"title": "Storm", "description": "Stay ashore.", "fields": [{"name": "Wind", "value": "9"}]}
SHOWN = [
    {"type": 17, "components": [{"type": 10, "content": "Stay ashore."}]},
    {"type": 12, "items": [{"media": {"url": "https://example.com/a.png"}, "description": "a storm"}]},
]
HIDDEN = (
    "Discord does not show me the message you replied to, because it does not mention me. "
    "Copy its text into yours, or ask whoever runs me for the message-content intent."
)
DELETED = "I could not read the message you replied to, because it was deleted. Tell me what it said."
STICKER = "I only read text, so I skipped the sticker Wave."
VOICE = "I cannot listen to voice messages. Write to me instead."

Send = Callable[[Stage, int], Awaitable[int]]
"""Sends a message to a channel as Ada and returns its id."""


@dataclass(frozen=True)
class Asked:
    """A reply to a message."""

    message: discord.Message
    quoted_id: int
    read: ReadMessage


def ada(stage: Stage) -> int:
    return stage.person("Ada")


def text(content: str, *files: tuple[str, bytes]) -> Send:
    return lambda stage, channel: stage.server.send(ada(stage), channel, content, files=files)


async def forward(stage: Stage, channel: int) -> int:
    source = stage.server.channels[1].id
    original = await stage.server.send(ada(stage), source, "The boat leaks.", files=[PICTURE, TEXT])
    return await stage.server.forward(ada(stage), (source, original), channel)


async def poll(stage: Stage, channel: int) -> int:
    message_id = await stage.server.send_poll(ada(stage), channel, "Which boat?", ["Minnow", "Orca"])
    await stage.server.vote(stage.person("Grace"), channel, message_id, 2)
    return message_id


def sticker(stage: Stage, channel: int) -> Awaitable[int]:
    return stage.server.send_sticker(ada(stage), channel, "Wave")


def voice(stage: Stage, channel: int) -> Awaitable[int]:
    return stage.server.send_voice_message(ada(stage), channel)


def embed(stage: Stage, channel: int) -> Awaitable[int]:
    picture = {"image": {"url": "https://example.com/a.png"}}
    return stage.server.send_by_webhook(channel, "Weather", embeds=[EMBED | picture])


def components(stage: Stage, channel: int) -> Awaitable[int]:
    return stage.server.send_by_webhook(channel, "Weather", components=SHOWN)


def welcome(stage: Stage, channel: int) -> Awaitable[int]:
    return stage.server.welcome(ada(stage), channel)


async def pin(stage: Stage, channel: int) -> int:
    return await stage.server.announce_pin(ada(stage), channel, await text("Look.")(stage, channel))


LONG = "Fish fly. " * 199
SKIPPED_PICTURE = "I only read text files, so I skipped cat.png."
FORWARDED = "[forwarded message]\nThe boat leaks."
REPLIED = {
    "a long message": (text(LONG), f"who wrote: {LONG.strip()})", []),
    "a text file": (text("", TEXT), "who sent: [file: boat.txt])\n\nThe file boat.txt:\n```\nMinnow sails.\n```", []),
    "a picture": (text("", PICTURE), "who sent: [picture: cat.png, not readable])", [SKIPPED_PICTURE]),
    "a forward": (
        forward,
        f"who wrote: {FORWARDED}\n[picture: cat.png, not readable]\n[file: boat.txt])\n\n"
        "The file boat.txt:\n```\nMinnow sails.\n```",
        [SKIPPED_PICTURE],
    ),
    "a poll": (poll, "who wrote: [poll] Which boat?\n- Minnow (0 votes)\n- Orca (1 vote))", []),
    "a sticker": (
        sticker,
        "who wrote: [sticker: Wave, not readable])",
        [STICKER],
    ),
    "a voice message": (voice, "who sent: [voice message: voice-message.ogg, not readable])", [VOICE]),
    "an embed": (
        embed,
        "who wrote: Storm\nStay ashore.\nWind: 9\n[picture, not readable])",
        ["I only read text, so I skipped the picture."],
    ),
    "components": (
        components,
        "who wrote: Stay ashore.\n[picture: a storm, not readable])",
        ["I only read text, so I skipped the picture a storm."],
    ),
    "a pin": (pin, "who wrote: [ada pinned a message to this channel.])", []),
}


async def reply_to(incoming: Incoming, send: Send, content: str = "Is that so?", *, is_direct: bool = False) -> Asked:
    """Have Ada send something and Grace, or Ada in her direct messages, reply to it with a mention of the bot."""
    stage = incoming.stage
    channel = await stage.server.open_dm(ada(stage)) if is_direct else stage.channel
    quoted_id = await send(stage, channel)
    by = "Ada" if is_direct else "Grace"
    bot = stage.server.bot.id
    replying = stage.server.send(stage.person(by), channel, f"<@{bot}> {content}", reply_to=quoted_id)
    message = await stage.receive(replying, channel=channel, is_reply=True)
    return Asked(message, quoted_id, await incoming.reader.read(message))


def worded(question: Question | None) -> str:
    """The question as the model gets it."""
    assert question is not None
    return messages_of((), question.asked)[-1].content


@pytest.mark.parametrize(("send", "ending", "remarks"), REPLIED.values(), ids=list(REPLIED))
async def test_the_model_gets_what_can_be_read_of_a_quote_and_both_learn_what_cannot(
    incoming: Incoming, send: Send, ending: str, remarks: list[str]
) -> None:
    asked = await reply_to(incoming, send, is_direct=True)
    content = worded(asked.read.question)
    assert content.startswith("Is that so?\n\n(In reply to ")
    assert content.endswith(ending), content
    assert asked.read.remarks == remarks
    # A restart reads the message from Discord again.
    again = await incoming.reader.read(await asked.message.channel.fetch_message(asked.message.id))
    assert again == asked.read


@pytest.mark.parametrize("is_by_webhook", [False, True])
async def test_the_preview_of_a_link_is_not_read(incoming: Incoming, is_by_webhook: bool) -> None:
    server, url = incoming.stage.server, "https://example.com/boat"

    async def send(_: Stage, channel: int) -> int:
        if is_by_webhook:
            return await server.send_by_webhook(channel, "News", f"See {url}", embeds=[{"title": "A boat", "url": url}])
        message_id = await server.send(ada(incoming.stage), channel, f"See {url}")
        await server.add_preview(channel, message_id, "A boat", url)
        return message_id

    content = worded((await reply_to(incoming, send, is_direct=True)).read.question)
    assert content.endswith(f"who wrote: See {url})")


async def test_everything_unreadable_is_told_in_one_line_for_each_reason(incoming: Incoming) -> None:
    quoted = await incoming.mention("Look.", by="Ada", files=[PICTURE, ("a.pdf", b"%PDF")])
    message = await incoming.mention("Why?", reply_to=quoted.id, files=[("b.png", b"\x89PNG")])
    read = await incoming.reader.read(message)
    assert read.remarks == ["I only read text files, so I skipped b.png, cat.png and a.pdf."]
    assert worded(read.question) == (
        "Why?\n\n(In reply to Ada, who wrote: Look.\n[picture: cat.png, not readable]\n[file: a.pdf, not readable])"
        "\n\n[picture: b.png, not readable]"
    )


# ------------------------------------------------------------ alone in a direct message

ALONE = {
    "a forward": (forward, f"{FORWARDED}\n\n[picture: cat.png, not readable]\n\nThe file boat.txt:", [SKIPPED_PICTURE]),
    "a poll": (poll, "[poll] Which boat?\n- Minnow", []),
    "a text with a picture": (
        text("What is this?", PICTURE),
        "What is this?\n\n[picture: cat.png, not readable]",
        [SKIPPED_PICTURE],
    ),
    "a sticker": (sticker, None, [STICKER]),
    "a picture": (text("", PICTURE), None, [SKIPPED_PICTURE]),
    "a voice message": (voice, None, [VOICE]),
}


@pytest.mark.parametrize(("send", "beginning", "remarks"), ALONE.values(), ids=list(ALONE))
async def test_whatever_can_be_read_is_a_question_by_itself(
    incoming: Incoming, send: Send, beginning: str | None, remarks: list[str]
) -> None:
    stage = incoming.stage
    dm = await stage.server.open_dm(ada(stage))
    message = await stage.receive(send(stage, dm), channel=dm)
    assert incoming.reader.invitation(message) is None
    read = await incoming.reader.read(message)
    assert read.remarks == remarks
    if beginning is None:
        assert read.question is None
    else:
        assert worded(read.question).startswith(beginning)
        assert read.question is not None
        assert read.question.reply_to is None, "a forward is no reply"


# ------------------------------------------------------------ a mention alone


async def test_a_mention_alone_asks_what_it_replies_to(incoming: Incoming) -> None:
    quoted = await incoming.mention("What is this?", by="Ada", files=[TEXT, PICTURE])
    message = await incoming.mention("", by="Grace", reply_to=quoted.id)
    assert incoming.reader.invitation(message) is None
    read = await incoming.reader.read(message)
    assert worded(read.question) == (
        "Ada asks: What is this?\n[file: boat.txt]\n[picture: cat.png, not readable]\n\n"
        "The file boat.txt:\n```\nMinnow sails.\n```"
    )
    assert read.question is not None
    assert read.question.asked.author_name == "Grace", "whoever mentions the bot asks"
    assert read.remarks == [SKIPPED_PICTURE]


@pytest.mark.parametrize("send", [sticker, text("", PICTURE), text("\u200b")])
async def test_a_mention_alone_below_nothing_readable_asks_nothing(incoming: Incoming, send: Send) -> None:
    assert (await reply_to(incoming, send, content="", is_direct=True)).read.question is None


# ------------------------------------------------------------ without the message-content intent


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


# ------------------------------------------------------------ forum posts and threads


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


async def test_a_mention_alone_in_a_channel_is_greeted(incoming: Incoming) -> None:
    for content in ("", "\u200b", "\ufeff \u2060"):
        assert incoming.reader.invitation(await incoming.mention(content)) == GREETING
