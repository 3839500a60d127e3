"""Turns what a model writes into what Discord draws the same way, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.discord_client.replies.markdown.code_blocks import OpenCodeBlock, open_code_block
from bot.discord_client.replies.markdown.tables import Table, begins_table

_DEEP_HEADING = re.compile(r"((?: {0,3}> ?)? {0,3})#{4,6} +(?=\S)")
_RULE = re.compile(r" {0,3}([*_])(?:[ \t]*\1){2,}[ \t]*")
_QUOTE_TO_THE_END = re.compile(r" *>>> +")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Where a code block stands in a text.

    Attributes:
        opening: what opens it again.
        closing: what closes it.
        head: how many characters of it belong together: the fence, and the head of a table.
    """

    start: int
    end: int
    opening: str
    closing: str
    head: int


@dataclass(slots=True)
class DiscordText:
    """A text in Discord's Markdown, and where its code blocks are."""

    text: str = ""
    code_blocks: list[CodeBlock] = field(default_factory=list)

    def add(self, lines: str) -> None:
        """Add lines of prose."""
        self.text = f"{self.text}\n{lines}" if self.text else lines.lstrip("\n")

    def add_code_block(self, block: str, head: int) -> None:
        self.add(block)
        quote = "> " if block.startswith(">") else ""
        start = len(self.text) - len(block)
        opening = block[: block.index("\n") + 1]
        self.code_blocks.append(CodeBlock(start, len(self.text), opening, f"\n{quote}```", head))


def to_discord(text: str, *, complete: bool) -> DiscordText:
    """Translate a text. While it grows, what is translated already stays, unless a table grows wider.

    - Fences of any kind become three backticks, at the margin: a blank line would end a list and tear the block.
    - A block that is still open is closed. In a complete text, a fence without a language that no line leads up to and
      that never ends is no block.
    - Tables become code blocks or lists.
    - An empty line of a quote gets the space without which Discord ends the quote.
    - A rule of stars becomes one of hyphens: Discord draws neither, but stars begin a style.
    - `####` becomes `###`, the deepest heading that Discord knows.
    - `>>>`, which quotes all that follows in one message, becomes `>` before each line.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    translation = _Translation()
    translation.take_all(lines)
    if complete and (lone := translation.lone_fence) is not None:
        translation = _Translation()
        translation.take_all(lines, lone)
    return translation.finished()


class _Translation:
    """What was translated so far, and the block that the next line may belong to."""

    def __init__(self) -> None:
        self._result = DiscordText()
        self._prose: list[str] = []
        self._block: OpenCodeBlock | Table | None = None
        self._begun_at = 0

    def take_all(self, lines: list[str], lone: int | None = None) -> None:
        """Take lines; the fence with the number `lone` is no fence."""
        for number, line in enumerate(lines):
            if self._takes_into_block(line):
                continue
            if ">>>" in line and (marks := _QUOTE_TO_THE_END.match(line)):
                lines[number:] = [f"> {quoted}" for quoted in [line[marks.end() :], *lines[number + 1 :]]]
            if number == lone:
                self._prose.append(line)
            else:
                self._take(lines[number], lines[number + 1] if number + 1 < len(lines) else "")
            self._begun_at = number

    @property
    def lone_fence(self) -> int | None:
        """The number of a fence that begins no block; None if there is none."""
        block = self._block
        if isinstance(block, OpenCodeBlock) and block.fence == "```" and not block.language and not self._leads_in:
            return self._begun_at
        return None

    @property
    def _leads_in(self) -> bool:
        """Whether what was read last announces code, or nothing was read."""
        last = next((line for line in reversed(self._prose) if line.strip()), None)
        if last is None:
            return not self._result.text
        return last.rstrip().endswith((":", "："))  # noqa: RUF001 - full-width too

    def _takes_into_block(self, line: str) -> bool:
        """Take a line of the block that is open; False if it belongs to none."""
        block = self._block
        if block is None:
            return False
        if block.belongs(line):
            if not block.takes(line):
                self._end_block()
            return True
        self._end_block()
        return False

    def _take(self, line: str, following: str) -> None:
        """Take a line outside of blocks."""
        if (opened := open_code_block(line)) and self._is_fence(opened[1]):
            before, self._block = opened
            self._prose += [before] if before else []
        elif begins_table(line, following):
            self._block = Table(line, following)
        else:
            if "####" in line:
                line = _DEEP_HEADING.sub(r"\1### ", line, count=1)
            if _RULE.fullmatch(line):
                line = "---"
            self._prose.append("> " if line.strip() == ">" else line)

    def _is_fence(self, block: OpenCodeBlock) -> bool:
        # Writers divide their texts with tildes.
        return bool(block.fence[0] == "`" or block.language or self._leads_in)

    def finished(self) -> DiscordText:
        self._end_block()
        self._end_prose()
        return self._result

    def _end_block(self) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        self._end_prose()
        drawn, head = block.drawn()
        if head:
            self._result.add_code_block(drawn, head)
        elif drawn:
            self._prose = drawn.split("\n")

    def _end_prose(self) -> None:
        if self._prose:
            self._result.add("\n".join(self._prose))
        self._prose = []
