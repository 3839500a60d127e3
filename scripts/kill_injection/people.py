"""People who ask the bot without a pause, and change their minds, whether it is there or not."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from bot.demo.loopback import LoopbackDiscord
from kill_injection.replies import Replies

_OWED_FOR_A_PAUSE = 3
_PAUSE_SECONDS = (0.1, 0.8)
_EDITED_SHARE = 0.15
_DELETED_SHARE = 0.4
_LATEST_CHANGE_SECONDS = 8.0
_PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Mention:
    """A message that asks the bot something.

    Attributes:
        id: the message's id.
        channel_id: where it is.
        author_id: who wrote it.
        texts: what it has asked, one text after each edit.
        is_missed: whether the bot was away when it was written.
        is_deleted: whether it was deleted.
    """

    id: int
    channel_id: int
    author_id: int
    texts: list[str]
    is_missed: bool
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where people write to the bot.

    Attributes:
        channel_id: the channel, the thread or the direct message.
        author_ids: who writes there.
        is_direct: whether the bot need not be mentioned.
        is_stable: whether nobody deletes anything there.
    """

    channel_id: int
    author_ids: tuple[int, ...]
    is_direct: bool = False
    is_stable: bool = True


@dataclass(slots=True)
class People:
    """Keeps the bot busy.

    Attributes:
        discord: where they are.
        replies: what the bot has said to them.
        draw: decides who writes what when.
        places: where they write; there is none before `find_places`.
        mentions: all that they asked, the oldest first.
    """

    discord: LoopbackDiscord
    replies: Replies
    draw: random.Random
    places: list[Place] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def find_places(self) -> None:
        """Ask once in each place, and wait for the answers: the bot looks for what it missed where it was asked before.

        Raises:
            TimeoutError: it does not answer.
        """
        everybody = tuple(person.id for person in self.discord.people)
        general, help_channel, deleting = (channel.id for channel in self.discord.channels)
        direct = await self.discord.open_dm(everybody[0])
        self.places = [Place(general, everybody), Place(help_channel, everybody), Place(direct, everybody[:1], True)]
        self.places.append(Place(deleting, everybody, is_stable=False))
        await self.discord.wait_for(lambda: self.discord.bot_online, _PATIENCE_SECONDS, what="the bot")
        for place in self.places:
            await self._mention(place)
        await self._until_answered()
        thread = await self.discord.create_thread(everybody[0], general, "a thread", message_id=self.mentions[0].id)
        self.places.append(Place(thread, everybody))
        await self._mention(self.places[-1])
        await self._until_answered()

    def come(self) -> None:
        """Begin to ask."""
        self._begin(self._ask_on())

    async def leave(self) -> None:
        """Ask and change nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def owed(self) -> list[Mention]:
        """The mentions whose answers are not there to their ends."""
        return [each for each in self.mentions if not each.is_deleted and not self.replies.is_whole(each.id)]

    async def _ask_on(self) -> None:
        while True:
            # The more answers are owed, the more patient they are.
            await asyncio.sleep(self.draw.uniform(*_PAUSE_SECONDS) * (1 + len(self.owed()) / _OWED_FOR_A_PAUSE))
            await self._ask(self.draw.choice(self.places))

    async def _ask(self, place: Place) -> None:
        mention = await self._mention(place)
        if self.draw.random() < _EDITED_SHARE:
            self._begin(self._edit(mention, place))
        elif not place.is_stable and self.draw.random() < _DELETED_SHARE:
            self._begin(self._delete(mention))

    async def _mention(self, place: Place) -> Mention:
        text = f"question {len(self.mentions)}"
        author_id = self.draw.choice(place.author_ids)
        is_missed = not self.discord.bot_online
        message_id = await self.discord.send(author_id, place.channel_id, self._addressed(text, place))
        mention = Mention(message_id, place.channel_id, author_id, [text], is_missed)
        self.mentions.append(mention)
        return mention

    async def _edit(self, mention: Mention, place: Place) -> None:
        await asyncio.sleep(self.draw.uniform(0, _LATEST_CHANGE_SECONDS))
        mention.texts.append(f"{mention.texts[0]}, edited")
        text = self._addressed(mention.texts[-1], place)
        await self.discord.edit(mention.author_id, mention.channel_id, mention.id, text)

    async def _delete(self, mention: Mention) -> None:
        await asyncio.sleep(self.draw.uniform(0, _LATEST_CHANGE_SECONDS))
        mention.is_deleted = True
        await self.discord.delete(mention.author_id, mention.channel_id, mention.id)

    def _addressed(self, text: str, place: Place) -> str:
        return text if place.is_direct else f"<@{self.discord.bot.id}> {text}"

    async def _until_answered(self) -> None:
        await self.discord.wait_for(lambda: not self.owed(), _PATIENCE_SECONDS, what="the first answers")

    def _begin(self, work: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
