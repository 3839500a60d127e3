"""The file of `/export`."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime

from discord.utils import snowflake_time

from bot.conversation.turn import File, Quote, Turn
from bot.conversation.wording import one_line

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def exported_conversation(turns: Sequence[Turn], place: str, at: datetime, most_bytes: int) -> bytes:
    """Write turns as Markdown in UTF-8.

    Args:
        turns: not erased, the oldest first.
        place: where they were asked, in words.
        at: when they are exported.
        most_bytes: the oldest turns are left out where the file would be larger.
    """
    parts = deque(_encoded("\n\n".join(_turn(turn))) for turn in turns)
    while True:
        content = b"\n\n".join([_head(place, at, len(parts), len(turns) - len(parts)), *parts]) + b"\n"
        if len(content) <= most_bytes or not parts:
            return content
        excess = len(content) - most_bytes
        while parts and excess > 0:
            excess -= len(parts.popleft())


def _head(place: str, at: datetime, count: int, left_out: int) -> bytes:
    lines = [f"# Conversation with Phi in {one_line(place)}", f"Exported on {_time(at)}; {_questions(count)}."]
    if left_out:
        lines.append(f"Left out, because the file would be too large: the oldest {_questions(left_out)}.")
    return _encoded("\n\n".join(lines))


def _turn(turn: Turn) -> Iterator[str]:
    asked, answer = turn.asked, turn.answer
    assert asked is not None  # only an erased turn has none
    assert answer is not None
    yield f"## {_time(snowflake_time(turn.id))}"
    yield f"**{one_line(asked.author_name)}:**"
    for quote in asked.cited:
        yield _quote(quote)
    if asked.own_text:
        yield _with_code_closed(asked.own_text)
    if asked.own_files:
        yield _files(asked.own_files)
    yield "**Phi:**"
    yield _with_code_closed(answer.content)


def _quote(quote: Quote) -> str:
    files = [_files(quote.files)] if quote.files else []
    lines = [f"{one_line(quote.author_name)} wrote:", *quote.text.splitlines(), *files]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _with_code_closed(text: str) -> str:
    """The text without a code block that would take in what follows: an answer may have ended inside one."""
    fence = ""
    for line in text.splitlines():
        if marks := _FENCE.match(line):
            if not fence:
                fence = marks[1]
            elif marks[1].startswith(fence) and not line.strip(f" {fence[0]}"):
                fence = ""
    return f"{text}\n{fence}" if fence else text


def _files(files: Sequence[File]) -> str:
    return f"Files: {', '.join(one_line(file.name) for file in files)}"


def _questions(count: int) -> str:
    return "1 question" if count == 1 else f"{count:,} questions"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
