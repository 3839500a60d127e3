"""Members who keep asking, editing and deleting, whether the bot is online or not."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from separate_bot.replies import Replies

from bot.demo.loopback import LoopbackDiscord

_UNANSWERED_FOR_ONE_MORE_PAUSE = 3
_PAUSE_SECONDS = (0.1, 0.8)
_EDITED_SHARE = 0.15
_DELETED_SHARE = 0.4
_LATEST_CHANGE_SECONDS = 8.0
_PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Question:
    """A message that asks the bot something.

    Attributes:
        texts: the text of every edit, the first one first.
        is_missed: whether the bot was offline when it was sent.
    """

    id: int
    channel_id: int
    author_id: int
    texts: list[str]
    is_missed: bool
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, a thread or a direct message in which members ask the bot.

    Attributes:
        is_stable: whether no member deletes anything there.
    """

    id: int
    member_ids: tuple[int, ...]
    is_direct: bool = False
    is_stable: bool = True


@dataclass(slots=True)
class Members:
    """Keep the bot busy.

    Attributes:
        replies: the bot's messages, which a `Listener` keeps up to date.
        draw: decides who asks what when.
        channels: empty before `ask_everywhere`.
        questions: the oldest first.
    """

    discord: LoopbackDiscord
    replies: Replies
    draw: random.Random
    channels: list[Channel] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask_everywhere(self) -> None:
        """Ask once in each channel and wait for the answers: the bot recovers only where it was asked before.

        Raises:
            TimeoutError: an answer is missing.
        """
        everybody = tuple(person.id for person in self.discord.people)
        general, help_channel, deleting = (channel.id for channel in self.discord.channels)
        direct = await self.discord.open_dm(everybody[0])
        self.channels = [
            Channel(general, everybody),
            Channel(help_channel, everybody),
            Channel(direct, everybody[:1], True),
        ]
        self.channels.append(Channel(deleting, everybody, is_stable=False))
        await self.discord.wait_for(lambda: self.discord.bot_online, _PATIENCE_SECONDS, what="the bot")
        for channel in self.channels:
            await self._ask_in(channel)
        await self._until_answered()
        thread = await self.discord.create_thread(everybody[0], general, "a thread", message_id=self.questions[0].id)
        self.channels.append(Channel(thread, everybody))
        await self._ask_in(self.channels[-1])
        await self._until_answered()

    def start(self) -> None:
        """Start asking."""
        self._start_task(self._keep_asking())

    async def stop(self) -> None:
        """Stop asking, editing and deleting."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def unanswered(self) -> list[Question]:
        """The questions that have no complete answer."""
        return [each for each in self.questions if not each.is_deleted and not self.replies.is_whole(each.id)]

    async def _keep_asking(self) -> None:
        while True:
            # The longer the queue, the slower they ask.
            await asyncio.sleep(
                self.draw.uniform(*_PAUSE_SECONDS) * (1 + len(self.unanswered()) / _UNANSWERED_FOR_ONE_MORE_PAUSE)
            )
            await self._ask(self.draw.choice(self.channels))

    async def _ask(self, channel: Channel) -> None:
        question = await self._ask_in(channel)
        if self.draw.random() < _EDITED_SHARE:
            self._start_task(self._edit(question, channel))
        elif not channel.is_stable and self.draw.random() < _DELETED_SHARE:
            self._start_task(self._delete(question))

    async def _ask_in(self, channel: Channel) -> Question:
        text = f"question {len(self.questions)}"
        author_id = self.draw.choice(channel.member_ids)
        is_missed = not self.discord.bot_online
        message_id = await self.discord.send(author_id, channel.id, self._with_mention(text, channel))
        question = Question(message_id, channel.id, author_id, [text], is_missed)
        self.questions.append(question)
        return question

    async def _edit(self, question: Question, channel: Channel) -> None:
        await asyncio.sleep(self.draw.uniform(0, _LATEST_CHANGE_SECONDS))
        question.texts.append(f"{question.texts[0]}, edited")
        text = self._with_mention(question.texts[-1], channel)
        await self.discord.edit(question.author_id, question.channel_id, question.id, text)

    async def _delete(self, question: Question) -> None:
        await asyncio.sleep(self.draw.uniform(0, _LATEST_CHANGE_SECONDS))
        question.is_deleted = True
        await self.discord.delete(question.author_id, question.channel_id, question.id)

    def _with_mention(self, text: str, channel: Channel) -> str:
        return text if channel.is_direct else f"<@{self.discord.bot.id}> {text}"

    async def _until_answered(self) -> None:
        await self.discord.wait_for(lambda: not self.unanswered(), _PATIENCE_SECONDS, what="the first answers")

    def _start_task(self, work: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
