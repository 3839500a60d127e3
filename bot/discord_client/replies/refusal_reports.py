"""Tells members, once in a while, which permission the bot lacks to answer them."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from itertools import islice
from typing import Any

import discord

from bot.discord_client.incoming.asked_interaction import Asked, AskedInteraction
from bot.discord_client.replies import permission_lines as lines
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.permissions import is_timed_out, lacking_permission
from bot.discord_client.rest.refusal import Refusal, refusal_of
from bot.discord_client.rest.retry import pauses
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency

logger = logging.getLogger(__name__)

_SILENT_SECONDS = 6 * 3600.0  # between two lines with the same permission to the same member about the same channel
_MOST_REMEMBERED = 10_000
_MOST_DIRECT, _DIRECT_SECONDS = 20, 3600.0  # Discord takes a bot that opens many direct messages for a spammer
_TRIES = 5
_NO_PERMISSION = "none"


class RefusalReports:
    """Tells each member once for each channel and permission, and again after some hours.

    Args:
        client: the connected client.
        pace: decides when a request starts.
    """

    def __init__(self, client: discord.Client, pace: RequestPace) -> None:
        self._client = client
        self._pace = pace
        self._told_at: OrderedDict[tuple[int, str, int], float] = OrderedDict()
        self._direct_at: deque[float] = deque(maxlen=_MOST_DIRECT)

    def line_below_answer(self, question: Asked, permission: str) -> str:
        """The line about a permission that the bot lacks for a better answer; "" if its asker knows."""
        asker_id = _asker_in_channel(question)
        is_new = asker_id is not None and self._is_new(question.channel.id, permission, asker_id)
        return lines.line_in_channel(permission) if is_new else ""

    async def tell_asker(self, question: Asked, action: Action, refusal: Refusal) -> None:
        """Tell a member by a direct message why there is no answer in a channel.

        Args:
            question: what the member asked.
            action: what Discord refuses.
            refusal: how it refuses it.
        """
        channel = question.channel
        asker_id = _asker_in_channel(question)
        if refusal.is_gone or asker_id is None or isinstance(channel, discord.DMChannel):
            return  # there is nothing to see, or the direct message itself is refused
        permission = lacking_permission(channel, action, refusal)
        place = f"<#{channel.id}>"
        if is_timed_out(channel):
            key, line = "timeout", lines.line_for_timeout(place)
        elif refusal.of_closed_thread:
            key, line = "Manage Threads", lines.line_for_closed_thread(place)
        elif permission is not None:
            key, line = permission, lines.line_for_lack(place, permission)
        else:
            key, line = _NO_PERMISSION, lines.line_for_refusal(place)
        if self._is_new(channel.id, key, asker_id):
            await self._send_direct(asker_id, channel.id, key, line)

    async def tell_of_unreadable(self, channel: Any, member_id: int, refusal: Refusal) -> None:
        """Tell a member that a question cannot be read again, in its channel, or by a direct message."""
        permission = lacking_permission(channel, Action.READ, refusal)
        if permission is None or not self._is_new(channel.id, permission, member_id):
            return
        line = lines.line_for_unreadable(f"<@{member_id}>", permission)
        if not await self._send(channel, channel.id, line):
            place = f"<#{channel.id}>"
            await self._send_direct(member_id, channel.id, permission, lines.line_for_lack(place, permission))

    def _is_new(self, channel_id: int, permission: str, member_id: int) -> bool:
        """Whether a member does not know yet, and will be told now."""
        key, now = (channel_id, permission, member_id), time.monotonic()
        if now - self._told_at.get(key, -_SILENT_SECONDS) < _SILENT_SECONDS:
            return False
        self._told_at[key] = now
        self._told_at.move_to_end(key)
        if len(self._told_at) > _MOST_REMEMBERED:
            self._told_at.popitem(last=False)
        return True

    async def _send_direct(self, member_id: int, channel_id: int, permission: str, line: str) -> None:
        now = time.monotonic()
        is_crowded = len(self._direct_at) == _MOST_DIRECT and now - self._direct_at[0] < _DIRECT_SECONDS
        told = False
        if not is_crowded:
            self._direct_at.append(now)
            told = await self._send(discord.Object(member_id, type=discord.User), member_id, line)
        told_by = "direct message" if told else "log only"
        logger.warning("Cannot answer here: channel=%d permission=%s told=%s", channel_id, permission, told_by)

    async def _send(self, receiver: Any, place_id: int, line: str) -> bool:
        """Send a line to a channel or a member; return whether Discord took it."""
        for seconds in islice(pauses(), _TRIES):
            async with self._pace.slot(Action.SEND, place_id, Urgency.NOTICE) as slot:
                try:
                    async with request_time_limit():
                        is_member = isinstance(receiver, discord.Object)
                        channel = await self._client.create_dm(receiver) if is_member else receiver
                        await channel.send(line)
                except Exception as error:
                    refusal = refusal_of(error)
                    if refusal is None:
                        raise
                    self._pace.failed(slot, refusal)
                else:
                    return True
            if not refusal.is_passing:
                break
            await self._pace.pause(seconds)
        return False


def _asker_in_channel(question: Asked) -> int | None:
    """Who asked, if that is known, and if the bot answers by requests that need permissions in the channel."""
    if isinstance(question, AskedInteraction):
        return question.author.id if question.is_shared else None
    return question.author.id if isinstance(question, discord.Message) else None
