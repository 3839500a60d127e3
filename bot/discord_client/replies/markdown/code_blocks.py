"""Code blocks as models write them, and as Discord draws them.

Discord begins a code block at any three backticks and ends it at the next three. It knows neither longer fences nor
tildes, and it takes no attributes after the language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Invisible, and keeps neighbors from being read as one mark.
ZERO_WIDTH_SPACE = "\u200b"

# A quote's marks, an indentation, perhaps a list item's mark or the end of a sentence, and then the fence.
_OPENING = re.compile(
    r"(?P<quote>(?: {0,3}> ?)?)(?P<indent>[ \t]*)"
    r"(?:(?P<item>[-*+]|\d{1,9}[.)])[ \t]+|(?P<before>[^`\n]*[:：.。][ \t]*))?"  # noqa: RUF001 - also full-width
    r"(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)"
)
# Perhaps with attributes, such as `title="a.py"` or `{1,3}`; other words behind it are code.
_LANGUAGE = re.compile(r"([\w+#.-]{1,32})(?:\s.*[={:].*)?", re.ASCII)
_CLOSING = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*")
_INNER_OPENING = re.compile(r"[ \t]*`{3,}[ \t]*[^`\s][^`]*")
# The fence right behind the last code, as small models write it. After a quotation mark it belongs to the code.
_CLOSING_BEHIND_CODE = re.compile(r"([^`]*[^`\s\"'])```[ \t]*")
_BACKTICKS = re.compile(r"`{3,}")
_MARKDOWN = {"markdown", "md"}


@dataclass
class OpenCodeBlock:
    """A code block that is read line by line.

    Attributes:
        quote: "> " inside a quote, else "".
        language: "" if it has none that Discord understands.
        lines: its code so far.
    """

    quote: str
    language: str
    fence: str
    indent: int
    lines: list[str] = field(default_factory=list)
    _inner: int = 0  # blocks that are open inside a Markdown block

    def takes(self, line: str) -> bool:
        """Take the next line; False if it ends the block."""
        if self.quote:
            line = re.sub(r"^ {0,3}> ?", "", line, count=1)
        if "```" not in line and "~~~" not in line:
            pass
        elif closing := _CLOSING.fullmatch(line):
            if closing[1][0] == self.fence[0] and len(closing[1]) >= len(self.fence):
                if not self._inner:
                    return False
                self._inner -= 1
        elif len(self.fence) == 3 and self.fence[0] == "`":
            if self.language in _MARKDOWN:
                # A model that writes a README seldom counts its backticks.
                self._inner += _INNER_OPENING.fullmatch(line) is not None
            elif closing := _CLOSING_BEHIND_CODE.fullmatch(line):
                self.lines.append(self._outdented(closing[1]))
                return False
        self.lines.append(self._outdented(line))
        return True

    def belongs(self, line: str) -> bool:
        """Whether a line is in the quote that the block is in."""
        return not self.quote or line.lstrip().startswith(">")

    def drawn(self) -> tuple[str, int]:
        """The block for Discord, and the length of its first line; nothing if it is empty."""
        first = next((n for n, line in enumerate(self.lines) if line.strip()), len(self.lines))
        code = self.lines[first:]
        # The last line may be the beginning of the fence that closes the block.
        while code and code[-1].strip() in ("", "`", "``", "~", "~~"):
            code.pop()
        if not code:
            return "", 0
        return draw_code_block(code, self.language, self.quote), len(f"{self.quote}```{self.language}\n{self.quote}")

    def _outdented(self, line: str) -> str:
        if not self.indent:
            return line
        spaces = len(line) - len(line.lstrip(" "))
        return line[min(spaces, self.indent) :]


def open_code_block(line: str) -> tuple[str, OpenCodeBlock] | None:
    """Read the line that begins a code block.

    Returns:
        what stands before the block, and the block; None if the line begins none.
    """
    opening = _OPENING.fullmatch(line) if "```" in line or "~~~" in line else None
    if opening is None:
        return None
    info = opening["info"].strip()
    language = _LANGUAGE.fullmatch(info)
    if opening["before"] and not (language and line.endswith(f"```{language[1]}")):
        return None
    before = opening["before"] or opening["item"] or ""
    block = OpenCodeBlock(
        quote="> " if opening["quote"] else "",
        language=language[1] if language else "",
        lines=[] if language or not info else [info],  # as Discord does
        fence=opening["fence"],
        indent=len(opening["indent"]) + (len(opening["item"]) + 1 if opening["item"] else 0),
    )
    return (opening["quote"] + opening["indent"] + before.rstrip() if before else ""), block


def draw_code_block(lines: list[str], language: str = "", quote: str = "") -> str:
    """Draw code for Discord. Backticks inside are kept apart, so that they do not end the block."""
    code = _BACKTICKS.sub(lambda run: ZERO_WIDTH_SPACE.join(run[0]), f"\n{quote}".join(lines))
    return f"{quote}```{language}\n{quote}{code}\n{quote}```"
