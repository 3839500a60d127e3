"""What the end-to-end tests do and see."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.answering.answer import Answer
from bot.conversation.turn import ConversationKey, Turn, UserMessage
from bot.demo.loopback import LoopbackDiscord, Person
from bot.demo.running_bot import RunningBot
from bot.engine.interface import Outcome
from bot.prompting.prompt import Message, Prompt

Payload = dict[str, Any]
SUBJECTS = ("a dragon", "a castle", "a lighthouse keeper", "the sea", "a train", "a ship")


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
        """A thread that nobody has talked in yet."""
        return await self.discord.create_thread(self.ada.id, self.discord.channels[0].id, name)

    async def mention(self, person: Person, channel_id: int, text: str) -> int:
        return await self.discord.send(person.id, channel_id, f"<@{self.discord.bot.id}> {text}")

    def replies(self, person: Person, channel_id: int, question_id: int) -> list[Payload]:
        """The messages that answer a question: the one that quotes it, and the bot's others up to the next quote."""
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

    async def growing(self, person: Person, channel_id: int, question_id: int) -> Payload:
        """Wait until an answer is on its way, with its Stop button."""

        def on_its_way() -> Payload | None:
            replies = self.replies(person, channel_id, question_id)
            return replies[-1] if replies and replies[-1]["components"] else None

        return await self.discord.wait_for(on_its_way, 60)

    async def long_answer(self, person: Person) -> tuple[int, int, Payload]:
        """Have a long answer under way, in a channel of its own: the channel's id, the question's, the message so far.

        How long a story gets is the model's affair, and differs from processor to processor; one that is over within
        two seconds was not long.
        """
        for subject in SUBJECTS:
            channel = await self.fresh_channel(f"about {subject}")
            question = await self.mention(person, channel, f"Write a very long story about {subject}.")
            try:
                await asyncio.wait_for(self._answered[question].wait(), 2)
            except TimeoutError:
                return channel, question, await self.growing(person, channel, question)
        raise AssertionError("the model keeps every story short; these tests need other questions")

    async def answer(self, person: Person, channel_id: int, question_id: int) -> list[Payload]:
        """Wait until an answer has been delivered, and return its messages."""
        async with asyncio.timeout(120):
            await self._answered[question_id].wait()
        replies = self.replies(person, channel_id, question_id)
        assert not any(message["components"] for message in replies), "a finished answer has no button"
        return replies

    async def remembered(self, channel_id: int, person_id: int = 0) -> list[Turn]:
        """The turns that the next prompt in a channel holds, or in a person's own conversation there."""
        opened = await self.bot.application.answering.conversations.peek(ConversationKey(channel_id, person_id))
        return [turn for turn in opened.branch if turn.asked is not None]

    async def next_prompt(self, channel_id: int, text: str, person_id: int = 0) -> Prompt:
        """What the model would get if Ada asked this now."""
        answering = self.bot.application.answering
        opened = await answering.conversations.peek(ConversationKey(channel_id, person_id))
        asked = UserMessage(text, self.ada.id, "Ada")
        return answering.model.window.fit(opened.system_prompt, opened.branch, asked).prompt

    async def ask(self, person: Person, channel_id: int, text: str) -> str:
        """Mention the bot and return its whole answer."""
        question_id = await self.mention(person, channel_id, text)
        return "\n".join(message["content"] for message in await self.answer(person, channel_id, question_id))


def answer_of(turn: Turn) -> Message:
    """What was answered in a turn that is not erased."""
    assert turn.answer is not None
    return turn.answer


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what an event brings about: the bot tells nobody that it has followed one."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.02)


def text_of(turn: Turn) -> str:
    """What was asked in a turn that is not erased."""
    assert turn.asked is not None
    return turn.asked.text


def stop_button(message: Payload) -> str:
    """The custom id of a message's Stop button."""
    [row] = message["components"]
    [button] = row["components"]
    assert button["label"] == "Stop"
    return str(button["custom_id"])
