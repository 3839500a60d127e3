"""The actions of end-to-end tests, and what they observe."""

from __future__ import annotations

import asyncio
import io
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from typing import Any

import discord

from bot.answering.answer import Answer
from bot.cli.progress import Progress
from bot.conversation.turn import ConversationKey, Turn, UserMessage
from bot.demo.loopback import LoopbackDiscord, Person
from bot.demo.running_bot import RunningBot, running_bot
from bot.engine.interface import Outcome
from bot.prompting.prompt import Message, Prompt

Payload = dict[str, Any]
ENDLESS = "Count from 1 to 1000: 1, 2, 3, 4, 5, 6, 7, 8,"
"""The small model answers this until the longest length allowed."""
_PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Stage:
    """A loopback Discord with the bot online in it."""

    discord: LoopbackDiscord
    bot: RunningBot
    _answered: defaultdict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def __post_init__(self) -> None:
        async def on_answered(message: discord.Message, _answer: Answer, _outcome: Outcome) -> None:
            self._answered[message.id].set()

        self.bot.application.client.add_listener(on_answered)

    @property
    def ada(self) -> Person:
        return self.discord.people[0]

    @property
    def grace(self) -> Person:
        return self.discord.people[1]

    async def fresh_channel(self, name: str) -> int:
        """Create a thread and return its id."""
        return await self.discord.create_thread(self.ada.id, self.discord.channels[0].id, name)

    async def mention(self, person: Person, channel_id: int, text: str, reply_to: int | None = None) -> int:
        """Send a message that mentions the bot and return its id."""
        text = f"<@{self.discord.bot.id}> {text}"
        return await self.discord.send(person.id, channel_id, text, reply_to=reply_to)

    def replies(self, person: Person, channel_id: int, question_id: int) -> list[Payload]:
        """Return the messages that answer a question: the one that quotes it, and the bot's others up to the next."""
        found: list[Payload] = []
        for message in self.discord.messages(person.id, channel_id):
            reference = message.get("message_reference")
            if message["author"]["id"] != str(self.discord.bot.id):
                continue
            if reference and reference["message_id"] == str(question_id):
                found = [message]
            elif found and reference:
                break
            elif found:
                found.append(message)
        return found

    async def streaming(self, person: Person, channel_id: int, question_id: int) -> Payload:
        """Wait until an answer is streaming, and return the message with its Stop button."""

        def with_button() -> Payload | None:
            replies = self.replies(person, channel_id, question_id)
            return replies[-1] if replies and can_be_stopped(replies[-1]) else None

        return await self.discord.wait_for(with_button, _PATIENCE_SECONDS)

    async def long_answer(self, person: Person) -> tuple[int, int, Payload]:
        """Start a long answer in a new thread; return the thread's id, the question's, and the message so far."""
        channel = await self.fresh_channel("long answer")
        question = await self.mention(person, channel, ENDLESS)
        return channel, question, await self.streaming(person, channel, question)

    async def answered(self, question_id: int) -> None:
        """Wait until an answer has been delivered."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self._answered[question_id].wait()

    async def answered_again(self, question_id: int) -> None:
        """Wait until the next answer to a question has been delivered."""
        self._answered[question_id].clear()
        await self.answered(question_id)

    async def answer(self, person: Person, channel_id: int, question_id: int) -> list[Payload]:
        """Wait until an answer has been delivered, and return its messages."""
        await self.answered(question_id)
        replies = self.replies(person, channel_id, question_id)
        assert not any(map(can_be_stopped, replies)), "a finished answer has no Stop button"
        return replies

    async def endless_answer(self, person: Person) -> tuple[int, int]:
        """Start an answer that no token ends, in a new thread; return the thread's id and the question's."""
        builder = self.bot.application.answering.model.builder
        stop_ids, builder.stop_ids = builder.stop_ids, frozenset()
        try:
            channel, question, _ = await self.long_answer(person)
        finally:
            builder.stop_ids = stop_ids
        return channel, question

    async def goes_on(self, question_id: int) -> None:
        """Check that an answer is not finished, and wait until it has grown."""
        running = self.bot.application.client.running_replies.get(question_id)
        assert running, "the answer is finished"
        length = len(running.answer.text)
        await until(lambda: len(running.answer.text) > length)

    async def stop(self, person: Person, channel_id: int, question_id: int) -> list[Payload]:
        """Press an answer's Stop button, and return its messages once it has ended."""
        reply = await self.streaming(person, channel_id, question_id)
        await self.discord.click(person.id, channel_id, int(reply["id"]), stop_button(reply))
        return await self.answer(person, channel_id, question_id)

    async def remembered(self, channel_id: int, person_id: int = 0) -> list[Turn]:
        """Return the turns in the next prompt of a channel, or of a member's own conversation there."""
        opened = await self.bot.application.answering.conversations.peek(ConversationKey(channel_id, person_id))
        return [turn for turn in opened.branch if turn.asked is not None]

    async def questions(self, channel_id: int, person_id: int = 0) -> list[str]:
        """Return the questions of those turns."""
        return [text_of(turn) for turn in await self.remembered(channel_id, person_id)]

    async def next_prompt(self, channel_id: int, text: str, person_id: int = 0) -> Prompt:
        """Return the prompt for this text if Ada sent it now."""
        answering = self.bot.application.answering
        opened = await answering.conversations.peek(ConversationKey(channel_id, person_id))
        asked = UserMessage(text, self.ada.id, "Ada")
        return answering.model.window.fit(opened.system_prompt, opened.branch, asked).prompt

    async def ask(self, person: Person, channel_id: int, text: str) -> str:
        """Mention the bot and return its whole answer."""
        question_id = await self.mention(person, channel_id, text)
        return "\n".join(message["content"] for message in await self.answer(person, channel_id, question_id))


@asynccontextmanager
async def online(model_dir: Path, discord: LoopbackDiscord | None = None, **settings: object) -> AsyncIterator[Stage]:
    """Run the bot in this process until the block ends.

    Args:
        discord: a server that outlives the bot; by default, the bot gets one of its own.
        settings: by field name.
    """
    if discord is None:
        async with LoopbackDiscord() as discord, online(model_dir, discord, **settings) as stage:
            yield stage
        return
    settings = {"kv_cache_gigabytes": 0.3, "kv_disk_gigabytes": None, **settings}  # None is the bot's own default
    async with running_bot(discord, model_dir, Progress(io.StringIO()), **settings) as bot:
        yield Stage(discord, bot)


def answer_of(turn: Turn) -> Message:
    """Return the answer of a turn that is not erased."""
    assert turn.answer is not None
    return turn.answer


def text_of(turn: Turn) -> str:
    """Return the question of a turn that is not erased."""
    assert turn.asked is not None
    return turn.asked.text


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for a state of the bot for which there is no event."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            holds = condition()
            if await holds if isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.01)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def labels(message: Payload) -> list[str]:
    """Return the labels of a message's buttons."""
    return [button["label"] for row in message.get("components", []) for button in row["components"]]


def can_be_stopped(message: Payload) -> bool:
    """Return whether a message has a Stop button."""
    return labels(message) == ["Stop"]


def stop_button(message: Payload) -> str:
    """Return the custom id of a message's Stop button."""
    [row] = message["components"]
    [button] = row["components"]
    assert button["label"] == "Stop"
    return str(button["custom_id"])
