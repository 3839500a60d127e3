"""How turns are put into words for the model: names, quotes and files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.conversation.turn import Turn, UserMessage
from bot.prompting.prompt import Message


def one_line(name: str) -> str:
    """A display name that cannot pass for more than a name: one line, without the brackets that mark names."""
    printable = "".join(character if character.isprintable() and character not in "[]" else " " for character in name)
    return " ".join(printable.split()) or "somebody"


def messages_of(branch: Sequence[Turn], asked: UserMessage) -> list[Message]:
    """A line of turns and the question after it, as the messages of a conversation.

    Who speaks is told once several people do. Turns before the second person came stay as they would be without that
    person, so that the prompt only grows; that person's first turn tells who spoke until then.

    Args:
        line: the oldest turn first; erased ones are left out.
        asked: the question.
    """
    speakers = _Speakers()
    messages = []
    for turn in branch:
        if turn.asked is not None and turn.answer is not None:
            messages += [Message("user", speakers.attribute(turn.asked)), turn.answer]
    messages.append(Message("user", speakers.attribute(asked)))
    return messages


class _Speakers:
    """Who has spoken so far."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def attribute(self, asked: UserMessage) -> str:
        content = _content(asked)
        before = dict(self._names)
        name = self._names[asked.author_id] = one_line(asked.author_name)
        if not before.keys() - {asked.author_id}:
            return content
        named = f"[{name}] {content}"
        if len(before) == 1:
            named = f"(Until now {next(iter(before.values()))} was speaking.)\n{named}"
        return named


def _content(asked: UserMessage) -> str:
    parts = [asked.text]
    if asked.quote is not None:
        parts.append(f"(In reply to {one_line(asked.quote.author_name)}, who wrote: {asked.quote.text})")
    for file in asked.files:
        longest = max(map(len, re.findall("`+", file.text)), default=0)
        fence = "`" * max(3, longest + 1)
        parts.append(f"The file {one_line(file.name)}:\n{fence}\n{file.text}\n{fence}")
    return "\n\n".join(part for part in parts if part)
