"""The patterns by which Discord's client finds what it draws.

The client is built on simple-markdown: at each position the first mark that has a partner begins a span, whatever lies
between, line ends and blank lines included. Only quotes, headings and list items hold what begins in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.discord_client.replies.markdown.spans import Weight


@dataclass(frozen=True, slots=True)
class Style:
    """A style whose opening and closing marks are the same.

    Attributes:
        span: matches all of it.
        reach: matches as far as a search for its end gets; None if that is always the end of the text.
    """

    mark: str
    span: re.Pattern[str]
    weight: Weight = Weight.STYLE
    reach: re.Pattern[str] | None = None


_EMPHASIZED = r"(?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])"
# By the character of their mark. Where several match, the client takes the longest.
STYLES = {
    "*": (
        Style("*", re.compile(rf"\*(?=\S){_EMPHASIZED}+?\*(?!\*)"), reach=re.compile(rf"\*{_EMPHASIZED}*+")),
        Style("**", re.compile(r"\*\*(?:\\[\s\S]|[^\\])+?\*\*(?!\*)")),
    ),
    "_": (
        Style("_", re.compile(r"_(?:__|\\[\s\S]|[^\\_])+?_\b"), reach=re.compile(r"_(?:__|\\[\s\S]|[^\\_])*+")),
        Style("__", re.compile(r"__(?:\\[\s\S]|[^\\])+?__(?!_)")),
    ),
    "~": (Style("~~", re.compile(r"~~[\s\S]+?~~(?!_)")),),
    "|": (Style("||", re.compile(r"\|\|[\s\S]+?\|\|"), Weight.SPOILER),),
}
MARK = re.compile(r"[\\*_~|`<\[\n]|https?://")
RUNS = {character: re.compile(re.escape(character) + "+") for character in "*_~|`"}
ESCAPE = re.compile(r"\\[^0-9A-Za-z\s]")
CODE = re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)")
CODE_BLOCK_OPENING = re.compile(r"```(?:([\w+#.-]+)\n)?", re.ASCII)
LINK = re.compile(
    r"\[((?:\\.|\[[^\[\]\n]*\]|[^\[\]\\\n])+)\]\(\s*<?(https?://(?:\([^()\s]*\)|[^()\s])*)(?:\s+\"[^\"\n]*\")?\s*\)"
)
# Addresses that get no preview, mentions, emoji, times.
BRACKETED = re.compile(r"<(?:https?://|mailto:|[@#:/]|a:|t:|id:)[^\s<>]{1,1900}>")
# Discord takes full-width marks into an address too, and with them the rest of a text without spaces.
_NO_ADDRESS = r"\s<。，、！？；：「」『』（）【】"  # noqa: RUF001 - full-width
URL = re.compile(rf"https?://[^{_NO_ADDRESS}]*[^{_NO_ADDRESS}.,:;\"'\])]")
BLANK_LINE = re.compile(r"\n[ \t]*\n")
LINE_MARK = re.compile(r" *[>#*\d-]")
QUOTE = re.compile(r"(?: *>(?!>>) +[^\n]*(?:\n|\Z))+")
QUOTE_MARK = re.compile(r" *>(?: |$)", re.MULTILINE)
HEADING = re.compile(r" *(#{1,3}|-#) +(?=\S)")
LIST_ITEM = re.compile(r"( *)(?:[-*]|\d{1,9}\.) +[^\n]+(?:\n\1  [^\n]+)*")
LIST_MARK = re.compile(r" *(?:[-*]|\d{1,9}\.) +")


def opens(text: str, position: int, after: int) -> bool:
    """Whether a mark without a partner stands as one that begins a style, and not as an operator does.

    Args:
        position: of the mark.
        after: of what follows it.
    """
    before, following = text[position - 1 : position] or "\n", text[after : after + 1]
    if following == "\n":
        return before == "\n" and text[position] == "|"
    if before.isascii() and before.isalnum():
        return False
    return bool(following.strip()) and following not in ".,;:!?)]}/=&" and following != text[position]
