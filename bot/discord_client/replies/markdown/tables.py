"""Tables, which Discord does not draw: aligned in a code block, or as a list where they are too wide for one."""

from __future__ import annotations

import re
import unicodedata

from bot.conversation.graphemes import clusters
from bot.discord_client.replies.markdown.code_blocks import draw_code_block

# What a code block shows without wrapping in a narrow window.
_WIDEST = 72
_LONGEST_PARSED = 1000  # longer cells are too wide in any case, and longer rows are no rows
_PREFIX = re.compile(r"(?P<quote>(?: {0,3}> ?)?)[ \t]*")
_DELIMITER = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
# Code and spoilers keep their pipes where the row has the right number of cells then.
_CELL = re.compile(r"((?:\\.|(`+)(?:[^`]|(?!\2)`)*?\2(?!`)|\|\|[^|]+\|\||[^|\\]|\\$)*)(?:\||$)")
_PLAIN_CELL = re.compile(r"((?:\\.|[^|\\]|\\$)*)(?:\||$)")
_BREAK = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\(([^()\s]*)\)")
_STYLES = re.compile(r"(\*\*\*|\*\*|~~|__|(?<!\w)_(?=\S)|\*(?=\S))(.+?)(?<!\s)\1(?!\w)")
_CODE = re.compile(r"(`+)(.+?)\1")
_MARK = re.compile(r"[*_~`\[\\<\0]")
_EMOJI_STYLE = "\ufe0f"  # follows a character that is narrow otherwise
_SPOILER = re.compile(r"\|\|.+?\|\|")


class Table:
    """A table, read line by line.

    Args:
        head: the line with the names of the columns.
        delimiter: the line below it.

    Attributes:
        quote: "> " inside a quote, else "".
    """

    def __init__(self, head: str, delimiter: str) -> None:
        prefix = _PREFIX.match(head)
        assert prefix is not None  # it matches ""
        self.quote = "> " if prefix["quote"] else ""
        marks = _cells(_content(delimiter), None)
        self._right = [mark.endswith(":") and not mark.startswith(":") for mark in marks]
        self._center = [mark.endswith(":") and mark.startswith(":") for mark in marks]
        self._rows = [_cells(_content(head), len(marks))]
        self._has_delimiter = False

    def belongs(self, line: str) -> bool:
        """Whether a line is one of the table."""
        return "|" in line and bool(self.quote) == line.lstrip().startswith(">")

    def takes(self, line: str) -> bool:
        """Take the next line, the delimiter first; always true."""
        if not self._has_delimiter:
            self._has_delimiter = True
            return True
        columns = len(self._right)
        cells = _cells(_content(line), columns)[:columns]
        if any(cells):
            self._rows.append(cells + [""] * (columns - len(cells)))
        return True

    def drawn(self) -> tuple[str, int]:
        """The table for Discord, and the length of its head with the first row; 0 if it is no code block."""
        plain = [[_without_marks(cell) for cell in row] for row in self._rows]
        widths = [max(3, *(display_width(row[column]) for row in plain)) for column in range(len(self._right))]
        too_wide = sum(widths) + 3 * (len(widths) - 1) > _WIDEST
        if len(self._rows) > 1 and (too_wide or any(_SPOILER.search(cell) for row in self._rows for cell in row)):
            return f"\n{self.quote}".join(["", *self._as_list()])[1:], 0
        lines = [self._aligned(row, widths) for row in plain]
        lines.insert(1, "-|-".join("-" * width for width in widths))
        head = sum(len(self.quote) + len(line) + 1 for line in lines[:3])
        return draw_code_block(lines, quote=self.quote), head + len(self.quote) + len("```\n") - 1

    def _aligned(self, row: list[str], widths: list[int]) -> str:
        cells = []
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            missing = width - display_width(cell)
            left = missing if self._right[column] else missing // 2 if self._center[column] else 0
            cells.append(" " * left + cell + " " * (missing - left))
        return " | ".join(cells).rstrip()

    def _as_list(self) -> list[str]:
        """A line for each row, and below it one for each further column that has a text."""
        names, *rows = [[_BREAK.sub(", ", cell) for cell in row] for row in self._rows]
        lines = []
        if names[1:] == [""]:
            return [f"- {row[0]}: {row[1]}" for row in rows]
        for row in rows:
            lines.append(f"- {row[0] if names[0] in ('', '#') else f'{names[0]}: {row[0]}'}")
            lines += [
                f"  - {name}: {cell}" if name else f"  - {cell}"
                for name, cell in zip(names[1:], row[1:], strict=True)
                if cell
            ]
        return lines


def begins_table(head: str, delimiter: str) -> bool:
    """Whether two lines are the beginning of a table."""
    if "|" not in head or "-" not in delimiter or head.lstrip().startswith(">") != delimiter.lstrip().startswith(">"):
        return False
    content = _content(delimiter)
    if "|" not in content or not _DELIMITER.fullmatch(content):
        return False
    columns = len(_cells(content, None))
    return len(_cells(_content(head), columns)) == columns


def display_width(text: str) -> int:
    """How many columns a text takes in a font of fixed width."""
    if text.isascii():
        return len(text)
    return sum(2 if _EMOJI_STYLE in cluster else min(2, sum(map(_width, cluster))) for cluster in clusters(text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _content(line: str) -> str:
    prefix = _PREFIX.match(line)
    return line[prefix.end() if prefix else 0 :].rstrip()


def _cells(content: str, columns: int | None) -> list[str]:
    """The cells of a line, read in the way that gives `columns` of them, if there is one."""
    bare = content.removeprefix("|")
    readings = [(_PLAIN_CELL, bare)]
    if columns is not None and len(content) <= _LONGEST_PARSED:
        # A row may begin with a spoiler and without a pipe.
        readings = [(_CELL, bare), *([(_CELL, content)] if content.startswith("||") else []), *readings]
    cells: list[str] = []
    for pattern, text in readings:
        # The end of the line matches once more, behind the last cell or the pipe that closes it.
        cells = [match[1].strip() for match in pattern.finditer(text)][:-1]
        if len(cells) == columns:
            break
    return cells


def _without_marks(cell: str) -> str:
    """A cell as it reads in a code block, where marks are not drawn."""
    if len(cell) > _LONGEST_PARSED or not _MARK.search(cell):
        return cell
    codes: list[str] = []

    def keep(code: re.Match[str]) -> str:
        codes.append(code[2].strip())
        return f"\0{len(codes) - 1}\0"

    cell = _CODE.sub(keep, _BREAK.sub(", ", cell.replace("\0", "")))
    cell = _LINK.sub(lambda link: link[1] if link[1] == link[2] else f"{link[1]} ({link[2]})", cell)
    while (plain := _STYLES.sub(r"\2", cell)) != cell:
        cell = plain
    cell = re.sub(r"\\([^\w\s])", r"\1", cell)
    return re.sub(r"\0(\d+)\0", lambda place: codes[int(place[1])].replace("\\|", "|"), cell)
