"""Words turns for the model: who speaks, what they quote, and their files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.conversation.turn import Turn, UserMessage
from bot.prompting.prompt import Message


def one_line(name: str) -> str:
    """A display name that cannot imitate anything else: one line, without the brackets that mark speakers."""
    printable = "".join(character if character.isprintable() and character not in "[]" else " " for character in name)
    return " ".join(printable.split()) or "somebody"


def messages_of(branch: Sequence[Turn], asked: UserMessage) -> list[Message]:
    """The messages of a prompt: a branch, and the question after it.

    From the second speaker on, questions begin with the speaker's name. Earlier questions stay without one, so that
    the prompt only grows; instead, the second speaker's first question names who spoke before.

    Args:
        branch: the oldest turn first; erased turns are left out.
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
    """The speakers so far."""

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
