"""Finds the messages that a message is about: its chain of replies, or the one that its thread grew from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import discord

from bot.conversation.quoting import IsHeld
from bot.discord_client.incoming.asked_interaction import Asking
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit

logger = logging.getLogger(__name__)

_SECONDS = 10.0
_LONGEST_CHAIN = 8
"""Upper bound in messages, with the one that is replied to. Each can take a request to Discord."""


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
        return await self._found(message, reference.resolved or reference.cached_message if reference else None)

    async def before(self, message: discord.Message, is_held: IsHeld) -> list[discord.Message]:
        """The chain of replies before a message that is replied to, the oldest first.

        It ends before a message that is held, and where one is deleted, cannot be read, or does not come in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SECONDS
        chain = [message]
        while len(chain) < _LONGEST_CHAIN and (left := deadline - loop.time()) > 0:
            # What a message holds of the one before is as old as itself; the cache follows edits and deletions.
            reference = chain[-1].reference
            found = (await self._found(chain[-1], reference.cached_message if reference else None, left)).message
            if found is None or is_held(found.id) or any(found.id == each.id for each in chain):
                break
            chain.append(found)
        return chain[:0:-1]

    async def thread_starter(self, message: Asking) -> FoundMessage:
        """The message that a message's thread grew from, unless it is that message."""
        if not isinstance(message.channel, discord.Thread) or message.channel.id == message.id:
            return NOTHING
        return await self.starter_of(message.channel, message)

    async def starter_of(self, thread: discord.Thread, about: discord.abc.Snowflake) -> FoundMessage:
        """The message that a thread grew from.

        Args:
            about: what needs it, for the log.
        """
        found = await self._in_time(_starter_of(thread), about)
        # Many threads begin without a message, and one that cannot be read may not exist.
        return NOTHING if found.message is None else found

    async def _found(
        self,
        message: discord.Message,
        found: discord.Message | discord.DeletedReferencedMessage | None,
        seconds: float | None = None,
    ) -> FoundMessage:
        """The message that a message replies to, of which `found` is known."""
        reference = message.reference
        if reference is None or not is_reply(message):
            return NOTHING
        if isinstance(found, discord.DeletedReferencedMessage):
            return FoundMessage(is_deleted=True)
        if found is None:
            message_id = reference.message_id
            if message_id is None:
                return NOTHING
            return await self._in_time(_fetch(message.channel, message_id), message, seconds)
        if found.type is discord.MessageType.thread_starter_message and isinstance(message.channel, discord.Thread):
            # What it shows is in the parent channel.
            return await self._in_time(_starter_of(message.channel), message, seconds)
        return FoundMessage(found)

    async def _in_time(
        self, finding: Coroutine[Any, Any, FoundMessage], about: discord.abc.Snowflake, seconds: float | None = None
    ) -> FoundMessage:
        # Not cancelled when the time is over: see `bot.discord_client.rest.time_limit`.
        reading = asyncio.create_task(finding)
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        await asyncio.wait([reading], timeout=_SECONDS if seconds is None else seconds)
        if reading.done():
            return reading.result()
        logger.warning("Quoted message not read: message_id=%d cause=Discord is slow to show it", about.id)
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
