"""People who ask the bot as a round plans it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from separate_bot.replies import Replies

from bot.demo.loopback import LoopbackDiscord
from discord_faults.plan import DIRECT_CHANNEL, THREAD, Ask, Scale

_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Question:
    """A message that asks the bot something."""

    id: int
    channel_id: int
    author_id: int
    texts: tuple[str, ...]


class People:
    """The members of a guild, in channels where the bot has answered before.

    A bot looks for missed questions only in channels that it knows, so nothing may be expected of it elsewhere.

    Args:
        replies: the bot's messages, which a `Listener` keeps up to date.

    Attributes:
        has_lost_events: whether the gateway has lost a question's event since the bot last identified.
    """

    def __init__(self, discord: LoopbackDiscord, replies: Replies, scale: Scale) -> None:
        self._discord = discord
        self._replies = replies
        self._people = [person.id for person in discord.people]
        self._channels = [channel.id for channel in discord.channels]
        self._scale = scale
        self.has_lost_events = False

    async def ask_everywhere(self) -> None:
        """Create the channels, ask once in each, and wait for the answers.

        Raises:
            TimeoutError: an answer is missing.
        """
        while len(self._channels) < self._scale.channels:
            self._channels.append(self._discord.add_channel(f"channel-{len(self._channels)}").id)
        self._channels[DIRECT_CHANNEL] = await self._discord.open_dm(self._person(0))
        await self._discord.wait_for(lambda: self._discord.bot_online, _PATIENCE_SECONDS, what="the bot")
        asked = [await self._ask("first question", channel, channel) for channel in range(len(self._channels))]
        await self._until_whole(asked)
        thread = await self._discord.create_thread(self._person(0), self._channels[0], "a thread")
        self._channels[THREAD] = thread
        await self._until_whole([await self._ask("first question", 0, THREAD)])

    async def ask_all(self, seed: int, asks: Sequence[Ask]) -> list[Question]:
        """Ask the questions at their times; return them in the order asked."""
        began = time.monotonic()
        asked = []
        for number, ask in enumerate(asks):
            await asyncio.sleep(began + ask.at_seconds - time.monotonic())
            if ask.is_lost and self._discord.bot_online:
                self._discord.lose_events("MESSAGE_CREATE")
                self.has_lost_events = True
            asked.append(await self._ask(f"question {seed}.{number}", ask.person, ask.channel))
        return asked

    async def _ask(self, text: str, person: int, channel: int) -> Question:
        channel_id = self._channels[channel]
        is_direct = channel == DIRECT_CHANNEL
        author_id = self._person(0 if is_direct else person)
        content = text if is_direct else f"<@{self._discord.bot.id}> {text}"
        message_id = await self._discord.send(author_id, channel_id, content)
        return Question(message_id, channel_id, author_id, (text,))

    def _person(self, number: int) -> int:
        while len(self._people) <= number:
            self._people.append(self._discord.add_person(f"Person {len(self._people)}").id)
        return self._people[number]

    async def _until_whole(self, asked: Sequence[Question]) -> None:
        await self._discord.wait_for(
            lambda: all(self._replies.is_whole(each.id) for each in asked), _PATIENCE_SECONDS, what="the first answers"
        )
