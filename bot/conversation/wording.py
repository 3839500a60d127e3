"""Words turns for the model: who speaks, what they quote, and their files."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.conversation.graphemes import is_blank
from bot.conversation.turn import File, Quote, Relation, TextFile, Turn, UserMessage
from bot.prompting.prompt import Message

_CITATIONS = {
    Relation.EARLIER: "Earlier, {} {}",
    Relation.REPLIED_TO: "In reply to {}, who {}",
    Relation.TARGET: "About a message by {}, who {}",
}


def one_line(name: str) -> str:
    """A display name that cannot imitate anything else: one line, without the brackets that mark speakers."""
    printable = "".join(character if character.isprintable() and character not in "[]" else " " for character in name)
    line = " ".join(printable.split())
    return "somebody" if is_blank(line) else line


def worded_turns(branch: Sequence[Turn]) -> list[tuple[Turn, UserMessage, Message]]:
    """The turns that a prompt contains, each with its question and answer.

    Erased turns are left out, and those of which an edit has left nothing.
    """
    return [
        (turn, turn.asked, turn.answer)
        for turn in branch
        if turn.asked is not None and turn.answer is not None and not turn.asked.asks_nothing
    ]


def messages_of(branch: Sequence[Turn], asked: UserMessage) -> list[Message]:
    """The messages of a prompt: a branch, and the question after it.

    From the second speaker on, questions begin with the speaker's name. Earlier questions stay without one, so that
    the prompt only grows; instead, the second speaker's first question names who spoke before.

    Args:
        branch: the oldest turn first.
        asked: the question.

    Returns:
        two messages for each of the `worded_turns`, and the question.
    """
    speakers = _Speakers()
    messages = []
    for _, question, answer in worded_turns(branch):
        messages += [Message("user", speakers.attribute(question)), answer]
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
    parts, repeated = [asked.own_text], asked.repeated
    if repeated is not None:
        parts = [_asked_again(repeated, asked.author_id), *_text_files(repeated)]
    for quote in asked.cited:
        if quote is not repeated:
            parts += [_cited(quote), *_text_files(quote)]
    parts += [_worded(file) for file in asked.own_files]
    return "\n\n".join(part for part in parts if part)


def _text_files(quote: Quote) -> list[str]:
    return [_worded(file) for file in quote.files if isinstance(file, TextFile)]


def _cited(quote: Quote) -> str:
    verb = "wrote" if quote.text else "sent"
    return f"({_CITATIONS[quote.relation].format(one_line(quote.author_name), verb)}: {_quoted(quote)})"


def _asked_again(quote: Quote, asker_id: int) -> str:
    """What the asker wants answered without adding a word: a question of somebody else's, or an earlier one."""
    if quote.author_id == asker_id:
        return _quoted(quote)
    return f"{one_line(quote.author_name)} asks: {_quoted(quote)}"


def _quoted(quote: Quote) -> str:
    return "\n".join([quote.text] * bool(quote.text) + [_mark(file) for file in quote.files])


def _worded(file: File) -> str:
    if not isinstance(file, TextFile):
        return _mark(file)
    longest = max(map(len, re.findall("`+", file.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"The file {one_line(file.name)}:\n{fence}\n{file.text}\n{fence}"


def _mark(file: File) -> str:
    """A file as the model knows of it: one whose content follows, or one that it cannot see."""
    name = one_line(file.name)
    return f"[file: {name}]" if isinstance(file, TextFile) else f"[{file.kind}: {name}, not readable]"
