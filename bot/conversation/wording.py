"""Words turns for the model: who speaks, what they quote, and their files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.conversation.graphemes import is_blank
from bot.conversation.turn import File, Quote, Relation, TextFile, Turn, UserMessage
from bot.prompting.prompt import Message

_CITATIONS = {
    Relation.EARLIER: "Earlier, {} {}",
    Relation.REPLIED_TO: "In reply to {}, who {}",
    Relation.TARGET: "About a message by {}, who {}",
}

SUMMARY_REQUEST = UserMessage(
    "Summarize our conversation so far: who said what, with all names, numbers, wishes and decisions. "
    "Write short sentences.",
    author_id=0,
    author_name="",
)
"""What the bot asks for a summary, and the question of the summary's turn, so that a prompt is a usual conversation."""


def one_line(name: str) -> str:
    """A display name that cannot imitate anything else: one line, without the brackets that mark speakers."""
    printable = "".join(character if character.isprintable() and character not in "[]" else " " for character in name)
    line = " ".join(printable.split())
    return "somebody" if is_blank(line) else line


def worded_turns(branch: Sequence[Turn]) -> list[tuple[Turn, UserMessage, Message]]:
    """The turns that a prompt contains, each with its question and answer.

    Erased turns are left out, those of which an edit has left nothing, and summaries of turns that are there.
    """
    return [
        (turn, turn.asked, turn.answer)
        for index, turn in enumerate(branch)
        if turn.asked is not None and turn.answer is not None and not turn.asked.asks_nothing
        if index == 0 or not turn.is_summary
    ]


def messages_of(branch: Sequence[Turn], asked: UserMessage) -> list[Message]:
    """The messages of a prompt: a branch, and the question after it.

    From the second speaker on, questions begin with the speaker's name. Earlier questions stay without one, so that
    the prompt only grows; instead, the second speaker's first question names who spoke before, as a request for a
    summary does.

    Args:
        branch: the oldest turn first.
        asked: the question; `SUMMARY_REQUEST` asks for a summary of the branch.

    Returns:
        two messages for each of the `worded_turns`, and the question.
    """
    speakers = _Speakers()
    messages = []
    for turn, question, answer in worded_turns(branch):
        content = question.text if turn.is_summary else speakers.attribute(question)
        messages += [Message("user", content), answer]
    content = speakers.ask_for_summary() if asked == SUMMARY_REQUEST else speakers.attribute(asked)
    messages.append(Message("user", content))
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
        return self._after_lone_speaker(before, named)

    def ask_for_summary(self) -> str:
        return self._after_lone_speaker(self._names, SUMMARY_REQUEST.text)

    def _after_lone_speaker(self, names: Mapping[int, str], content: str) -> str:
        """Name who spoke without being named, before anybody else speaks."""
        return f"(Until now {next(iter(names.values()))} was speaking.)\n{content}" if len(names) == 1 else content


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
