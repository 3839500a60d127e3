"""Messages that are more than text, and replies to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord

from bot.conversation.turn import Question
from bot.conversation.wording import messages_of
from bot.discord_client.incoming.reader import ReadMessage
from tests.discord_client.incoming.conftest import Incoming
from tests.discord_client.stage import Stage

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
SKIPPED_PICTURE = "I only read text files and PDFs, so I skipped cat.png."
FORWARDED = "[forwarded message]\nThe boat leaks."


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
