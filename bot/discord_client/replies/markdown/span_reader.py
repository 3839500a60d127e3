"""Finds the spans of a text, and what keeps Discord from finding others."""

from __future__ import annotations

import re
from enum import Enum, auto

from bot.discord_client.replies.markdown import patterns
from bot.discord_client.replies.markdown.patterns import Style
from bot.discord_client.replies.markdown.spans import Change, Span, Weight

_DEEPEST = 12
# Two marks that are further apart never meet in one message.
_MESSAGE_LIMIT = 2000

# The marks of the spans around a place, from the outside in.
Marks = tuple[str, ...]


class Follows(Enum):
    """What comes after a stretch of prose."""

    CODE_BLOCK = auto()
    NOTE = auto()
    NOTHING = auto()


class SpanReader:
    """Reads a text, one stretch of prose after the other.

    Args:
        text: in Discord's Markdown.
        growing: whether a style that is open at the end will be closed. A spoiler is always: half of it is a secret
            too.

    Attributes:
        spans: in the order of their beginning, once finished.
        changes: in the order of their position, once finished.
    """

    def __init__(self, text: str, *, growing: bool) -> None:
        self._text = text
        self._growing = growing
        self.spans: list[Span] = []
        self.changes: list[Change] = []
        self._end = 0  # of the stretch
        self._follows = Follows.NOTHING
        self._searched: dict[tuple[str, int], int] = {}  # up to where a mark has no partner
        self._known_paragraph_end = 0
        self._spoiler: int | None = None  # one that is open across a code block
        self._closing: list[str] = []  # of styles that are open at the end

    def read(self, start: int, end: int, follows: Follows) -> None:
        """Read the next stretch."""
        self._end, self._follows = end, follows
        if self._spoiler is not None and (closed := self._text.find("||", start, end)) >= 0:
            self._add(self._spoiler, closed + 2, "||", Weight.SPOILER)
            self._spoiler = None
            self._read(start, closed, ("||",))
            start = closed + 2
        self._read(start, end, ())
        if self._closing:
            self.changes.append(Change(end, "".join(reversed(self._closing))))
            self._closing = []
        if self._spoiler is not None and follows is not Follows.CODE_BLOCK:
            self._add(self._spoiler, end, "||", Weight.SPOILER, is_open=True)
            self.changes.append(Change(end, "||"))
            self._spoiler = None

    def close_spoiler(self) -> None:
        """Close what is still hidden where the text ends."""
        if self._spoiler is not None:
            self._add(self._spoiler, self._end, "||", Weight.SPOILER, is_open=True)
            self.changes.append(Change(self._end, "||"))
            self._spoiler = None

    def finish(self) -> None:
        """Sort what was found."""
        self.spans.sort(key=lambda span: (span.start, -span.end))
        self.changes.sort(key=lambda change: change.position)

    def _read(self, position: int, end: int, within: Marks, *, line_start: bool = True) -> None:
        while len(within) <= _DEEPEST and position < end:
            if line_start and (after := self._read_lines(position, end, within)) > position:
                position = after
                line_start = self._text[position - 1] == "\n"
                continue
            mark = patterns.MARK.search(self._text, position, end)
            if mark is None:
                return
            position = mark.start()
            line_start = mark[0] == "\n"
            position = position + 1 if line_start else self._read_mark(mark[0], position, end, within)

    def _read_lines(self, position: int, end: int, within: Marks) -> int:
        """Read a quote, a heading or a list item, if one begins here; return where to read on."""
        text = self._text
        if patterns.LINE_MARK.match(text, position, end) is None:
            return position
        begin = position
        quoted = ">" in within
        if quoted and (mark := patterns.QUOTE_MARK.match(text, position, end)):
            position = mark.end()
        elif not quoted and (quote := patterns.QUOTE.match(text, position, end)):
            self._add_quote(position, quote.end())
            self._read(position, quote.end(), (*within, ">"))
            return quote.end()
        if heading := patterns.HEADING.match(text, position, end):
            line_end = self._line_end(position, end)
            self._add_line(begin, heading.end(), line_end, Weight.HEADING, f"{heading[1]} ")
            if heading[1] != "-#":
                self._keep_with_next(begin, line_end)
            self._read(heading.end(), line_end, (*within, "line"))
            return line_end
        if item := patterns.LIST_ITEM.match(text, position, end):
            mark = patterns.LIST_MARK.match(text, position, end)
            assert mark is not None  # an item begins with it
            item_end = self._line_end(position, end) if quoted else item.end()
            self._add_line(begin, mark.end(), item_end, Weight.LIST_ITEM)
            self._read(mark.end(), item_end, (*within, "line"))
            return item_end
        return position

    def _add_quote(self, position: int, end: int) -> None:
        last = end - self._text.endswith("\n", position, end)
        self._add_line(position, position, last, Weight.QUOTE)
        while position < end:
            line_end = self._line_end(position, end)
            mark = patterns.QUOTE_MARK.match(self._text, position)
            assert mark is not None  # each line of a quote begins with it
            self._add_line(position, mark.end(), line_end, Weight.QUOTE, "> ")
            position = line_end + 1

    def _line_end(self, position: int, end: int) -> int:
        line_end = self._text.find("\n", position, end)
        return end if line_end < 0 else line_end

    def _add_line(self, start: int, first: int, end: int, weight: Weight, opening: str = "") -> None:
        self.spans.append(Span(start, end, first, end, weight, opening))

    def _keep_with_next(self, start: int, line_end: int) -> None:
        following = self._text[line_end : line_end + 80]
        if text := following.lstrip():
            end = line_end + len(following) - len(text) + 1
            self._add_line(start, start, end, Weight.HEADING)

    def _read_mark(self, mark: str, position: int, end: int, within: Marks) -> int:
        """Read a span, if one begins here; return where to read on."""
        if mark in patterns.STYLES:
            return self._read_style(mark, position, end, within)
        if mark == "`":
            return self._read_code(position, end)
        if mark == "[":
            return self._read_link(position, end, within)
        pattern = {"\\": patterns.ESCAPE, "<": patterns.BRACKETED}.get(mark, patterns.URL)
        if whole := pattern.match(self._text, position, end):
            self.spans.append(Span(position, whole.end(), position, position, Weight.WHOLE))
            return whole.end()
        return position + 1

    def _read_style(self, character: str, position: int, end: int, within: Marks) -> int:
        style, style_end = None, position
        for candidate in patterns.STYLES[character]:
            if (candidate_end := self._style_end(candidate, position, end)) > style_end:
                style, style_end = candidate, candidate_end
        if style is None:
            return self._read_open_style(character, position, end, within)
        self._add(position, style_end, style.mark, style.weight, within)
        begins_line = position == 0 or self._text[position - 1] == "\n"
        content = position + len(style.mark), style_end - len(style.mark)
        self._read(*content, (*within, style.mark), line_start=begins_line)
        return style_end

    def _style_end(self, style: Style, position: int, end: int) -> int:
        """Where the style ends that begins here; -1 if none does. What has been searched in vain is not again."""
        searched = self._searched.get((style.mark, end), 0)
        if position < searched or not self._text.startswith(style.mark, position, end):
            return -1
        if found := style.span.match(self._text, position, end):
            return found.end()
        if style.reach and (reach := style.reach.match(self._text, position, end)):
            # From within a run of marks a search may get further.
            end_of_search = position + len(reach[0].rstrip(style.mark))
        else:
            end_of_search = end
        self._searched[style.mark, end] = end_of_search
        return -1

    def _read_open_style(self, character: str, position: int, end: int, within: Marks) -> int:
        """Read a mark without a partner: one that is still to come, or that must not be found in a code block."""
        run = self._run(position, end)
        style = patterns.STYLES[character][-1] if run > 1 else patterns.STYLES[character][0]
        if end != self._end or run < len(style.mark):
            return position + 1
        after = position + len(style.mark)
        if character == "|" and self._follows is Follows.CODE_BLOCK and patterns.opens(self._text, position, after):
            self._spoiler = position if self._spoiler is None else self._spoiler
            return after
        if self._will_be_closed(position, after, style.weight is Weight.SPOILER):
            self._closing.append(style.mark)
            self._add(position, end, style.mark, style.weight, within, is_open=True)
            self._read(after, end, (*within, style.mark), line_start=False)
            return end
        if self._has_partner_beyond(character, position, end):
            self._escape(position, run)
            return position + run
        return position + 1

    def _has_partner_beyond(self, character: str, position: int, end: int) -> bool:
        limit = min(len(self._text), position + _MESSAGE_LIMIT)
        if self._text.find(character, end, limit) < 0:
            return False
        return any(style.span.match(self._text, position, limit) for style in patterns.STYLES[character])

    def _read_code(self, position: int, end: int) -> int:
        run = self._run(position, end)
        if run >= 3:
            return self._read_code_block(position, end, run)
        if (code := self._code(position, end, run)) is not None:
            self._add(position, code[1], code[0], Weight.CODE)
            return code[1]
        if end == self._end and self._will_be_closed(position, position + run, False):
            self._closing.append("`" * run)
            self._add(position, end, "`" * run, Weight.CODE, is_open=True)
            return end
        if end == self._end and self._follows is not Follows.NOTHING:
            self._escape(position, run)
        return position + run

    def _code(self, position: int, end: int, run: int) -> tuple[str, int] | None:
        """The mark and the end of the code that begins here."""
        mark = "`" * run
        if position < self._searched.get((mark, end), 0):
            return None
        if code := patterns.CODE.match(self._text, position, end):
            return code[1], code.end()
        self._searched[mark, end] = end
        return None

    def _read_code_block(self, position: int, end: int, run: int) -> int:
        """Read a code block amid prose. It must end in its paragraph; other backticks are only mentioned."""
        limit = self._paragraph_end(position, end)
        opening = patterns.CODE_BLOCK_OPENING.match(self._text, position)
        assert opening is not None  # the run has three
        last = self._text.find("```", max(opening.end(), position + run) + 1, limit)
        if last < 0 or not self._text[opening.end() : last].strip("` \n"):
            self._escape(position, run)
            return position + run
        language = opening[1] or ""
        self.spans.append(Span(position, last + 3, opening.end(), last, Weight.CODE_BLOCK, f"```{language}\n", "\n```"))
        return last + 3

    def _read_link(self, position: int, end: int, within: Marks) -> int:
        link = patterns.LINK.match(self._text, position, end)
        if link is None or "://" in link[1]:
            return position + 1 if link is None else self._read_address(link)
        closing = self._text[link.end(1) : link.end()]
        self.spans.append(Span(position, link.end(), link.start(1), link.end(1), Weight.LINK, "[", closing))
        before = self._text[max(0, position - 2) : position]
        if before.endswith("!") and before != "\\!":
            # A picture: Discord draws the link, and shows the picture below the message.
            self.changes.append(Change(position - 1, removed=1))
        self._read(*link.span(1), (*within, "["), line_start=False)
        return link.end()

    def _read_address(self, link: re.Match[str]) -> int:
        """Read a link whose text is an address, too: Discord does not draw it."""
        if link[1] != link[2]:
            return link.start() + 1
        self.changes += [Change(link.start(), removed=1), Change(link.end(1), removed=link.end() - link.end(1))]
        self.spans.append(Span(link.start(), link.end(), link.start(), link.start(), Weight.WHOLE))
        return link.end()

    def _run(self, position: int, end: int) -> int:
        """How often a mark's character is repeated."""
        run = patterns.RUNS[self._text[position]].match(self._text, position, end)
        return run.end() - position if run else 0

    def _will_be_closed(self, position: int, after: int, always: bool) -> bool:
        """Whether an open mark looks like the beginning of a style that the text ends in."""
        if self._follows is Follows.CODE_BLOCK or not (self._growing or always):
            return False
        if not patterns.opens(self._text, position, after):
            return False
        return always or self._paragraph_end(after, self._end) == self._end

    def _paragraph_end(self, position: int, end: int) -> int:
        if not position < self._known_paragraph_end <= end:
            blank_line = patterns.BLANK_LINE.search(self._text, position, end)
            self._known_paragraph_end = blank_line.start() if blank_line else end
        return self._known_paragraph_end

    def _add(
        self, start: int, end: int, mark: str, weight: Weight, within: Marks = (), *, is_open: bool = False
    ) -> None:
        if mark in within or not self._text[start + len(mark) : end - len(mark)].strip():
            # Two equal marks in a row would not be read as a style in another, or around nothing.
            self.spans.append(Span(start, end, start, start, Weight.WHOLE))
        else:
            last = end if is_open else end - len(mark)
            self.spans.append(Span(start, end, start + len(mark), last, weight, mark, mark))

    def _escape(self, position: int, count: int) -> None:
        self.changes += [Change(position + offset, "\\") for offset in range(count)]
