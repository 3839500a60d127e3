"""The buttons below an answer, as members use them."""

from __future__ import annotations

from bot.demo.loopback import Person
from tests.end_to_end.commands import PRIVATE, press
from tests.end_to_end.stage import Payload, Stage, labels

_PATIENCE_SECONDS = 60


def message_now(stage: Stage, person: Person, channel: int, message: Payload) -> Payload | None:
    """A message as it is by now; None once it is deleted."""
    seen = stage.discord.messages(person.id, channel)
    return next((one for one in seen if one["id"] == message["id"]), None)


async def with_labels(stage: Stage, person: Person, channel: int, message: Payload, *expected: str) -> Payload:
    """Wait until a message has exactly these buttons, and return it."""

    def found() -> Payload | None:
        now = message_now(stage, person, channel, message)
        return now if now is not None and labels(now) == list(expected) else None

    return await stage.discord.wait_for(found, _PATIENCE_SECONDS)


async def with_version(stage: Stage, person: Person, channel: int, message: Payload, shown: str) -> Payload:
    """Wait until a message shows this one of several versions, such as "2/2", and return it.

    Whether it has a Continue button is left open: further versions are sampled, so any may end early.
    """

    def found() -> Payload | None:
        now = message_now(stage, person, channel, message)
        return now if now is not None and shown in labels(now) else None

    return await stage.discord.wait_for(found, _PATIENCE_SECONDS)


async def answered(stage: Stage, person: Person, channel: int, text: str = "Who am I?") -> tuple[int, Payload]:
    """Mention the bot; return the question's id and the last message of the answer."""
    question = await stage.mention(person, channel, text)
    return question, (await stage.answer(person, channel, question))[-1]


async def told(stage: Stage, person: Person, channel: int, message: Payload, label: str) -> str:
    """Press a button, and return the line that only the person sees."""
    seen = {one["id"] for one in stage.discord.messages(person.id, channel)}
    await press(stage, person, channel, message, label)

    def line() -> Payload | None:
        new = [one for one in stage.discord.messages(person.id, channel) if one["id"] not in seen]
        return next((one for one in new if one["flags"] & PRIVATE and one["content"]), None)

    return str((await stage.discord.wait_for(line, _PATIENCE_SECONDS))["content"])
