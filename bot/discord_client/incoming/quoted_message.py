"""Finds the message that a message is about: the one that it replies to, or the one that its thread grew from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import discord

from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit

logger = logging.getLogger(__name__)

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """What came of looking for a message.

    Attributes:
        message: None if there is none, or if it cannot be read.
        is_deleted: there was one.
        is_unreadable: there is one, but Discord does not show it, or not in time.
    """

    message: discord.Message | None = None
    is_deleted: bool = False
    is_unreadable: bool = False


NOTHING = FoundMessage()


def is_reply(message: discord.Message) -> bool:
    """Whether a message replies to one; a forward refers to one too."""
    reference = message.reference
    return reference is not None and reference.type is discord.MessageReferenceType.reply


class MessageFinder:
    """Finds messages without waiting long for Discord."""

    def __init__(self) -> None:
        self._reading: set[asyncio.Task[FoundMessage]] = set()

    async def replied_to(self, message: discord.Message) -> FoundMessage:
        """The message that a message replies to."""
        reference = message.reference
        if reference is None or not is_reply(message):
            return NOTHING
        found = reference.resolved or reference.cached_message
        if isinstance(found, discord.DeletedReferencedMessage):
            return FoundMessage(is_deleted=True)
        if found is None:
            message_id = reference.message_id
            return NOTHING if message_id is None else await self._in_time(_fetch(message.channel, message_id), message)
        if found.type is discord.MessageType.thread_starter_message and isinstance(message.channel, discord.Thread):
            return await self._in_time(_starter_of(message.channel), message)  # what it shows is in the parent channel
        return FoundMessage(found)

    async def thread_starter(self, message: discord.Message) -> FoundMessage:
        """The message that a message's thread grew from, unless it is that message."""
        if not isinstance(message.channel, discord.Thread) or message.channel.id == message.id:
            return NOTHING
        found = await self._in_time(_starter_of(message.channel), message)
        # Many threads begin without a message, and one that cannot be read may not exist.
        return NOTHING if found.message is None else found

    async def _in_time(self, finding: Coroutine[Any, Any, FoundMessage], about: discord.Message) -> FoundMessage:
        # Not cancelled when the time is over: see `bot.discord_client.rest.time_limit`.
        reading = asyncio.create_task(finding)
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        await asyncio.wait([reading], timeout=_SECONDS)
        if reading.done():
            return reading.result()
        logger.warning("Quoted message not read: message=%d cause=Discord is slow to show it", about.id)
        return FoundMessage(is_unreadable=True)


async def _starter_of(thread: discord.Thread) -> FoundMessage:
    """The message that a thread grew from; a forum post contains it."""
    if thread.starter_message is not None:
        return FoundMessage(thread.starter_message)
    return await _fetch(thread.parent if isinstance(thread.parent, discord.TextChannel) else thread, thread.id)


async def _fetch(channel: discord.abc.Messageable, message_id: int) -> FoundMessage:
    try:
        async with request_time_limit():
            return FoundMessage(await channel.fetch_message(message_id))
    except discord.NotFound:
        return FoundMessage(is_deleted=True)
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        logger.warning("Quoted message not read: quoted=%d cause=%s", message_id, refusal.reason)
        return FoundMessage(is_unreadable=True)
