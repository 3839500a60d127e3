"""A small model of what Discord's client draws: each visible character with its styles.

Written from the client's own patterns, and with none of the bot's code. Lists are drawn as text, because a message
cannot begin in the middle of an item; but they hold the styles that begin in them, as they do in the client.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

Styles = frozenset[str]
Drawn = list[tuple[str, Styles]]

# Keeps marks apart, and is not seen.
INVISIBLE = "\u200b"

_ESCAPE = re.compile(r"\\([^0-9A-Za-z\s])")
_CODE_BLOCK = re.compile(r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n][\s\S]*?)\n*```", re.IGNORECASE)
_CODE = re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)")
# Where several match, the client takes the longest.
_STYLES = (
    (
        "italic",
        re.compile(
            r"_((?:__|\\[\s\S]|[^\\_])+?)_\b"
            r"|\*(?=\S)((?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)"
        ),
    ),
    ("bold", re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)")),
    ("underlined", re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)")),
    ("struck", re.compile(r"~~([\s\S]+?)~~(?!_)")),
    ("spoiler", re.compile(r"\|\|([\s\S]+?)\|\|")),
)
_LINK = re.compile(r"\[((?:\\.|[^\]\\])+)\]\(\s*(https?://[^\s)]+)\s*\)")
_URL = re.compile(r"https?://[^\s<]+[^<.,:;\"'\]\s]")
_BRACKETED = re.compile(r"<(?:https?://|[@#:])[^\s<>]+>")
_QUOTE = re.compile(r" *>>> +([\s\S]*)|( *>(?!>>) +[^\n]*(?:\n *>(?!>>) +[^\n]*)*\n?)")
_HEADING = re.compile(r" *(#{1,3}|-#) +([^\n]+)")
_LIST_ITEM = re.compile(r"( *)([*-]|\d+\.) +([^\n]+(?:\n\1 {2}[^\n]+)*\n?)")


def drawn(message: str) -> Drawn:
    """What a reader sees of a message, without white space."""
    return [(c, styles) for c, styles in _draw(message, frozenset(), True) if not c.isspace() and c not in INVISIBLE]


def _draw(text: str, styles: Styles, line_start: bool) -> Iterator[tuple[str, Styles]]:
    while text:
        taken = yield from _draw_first(text, styles, line_start)
        line_start = re.search(r"\n *$", text[:taken]) is not None or (line_start and not text[:taken].strip(" "))
        text = text[taken:]


def _draw_first(text: str, styles: Styles, line_start: bool) -> Generator[tuple[str, Styles], None, int]:
    """Draw what stands at the beginning, and return how much of the text it is."""
    if line_start:
        if "quote" not in styles and (quote := _QUOTE.match(text)):
            content = quote[1] if quote[1] is not None else re.sub(r"(?m)^ *> ?", "", quote[2])
            yield from _draw(content, styles | {"quote"}, True)
            return quote.end()
        if heading := _HEADING.match(text):
            yield from _draw(heading[2], styles | {heading[1]}, True)
            return heading.end()
        if item := _LIST_ITEM.match(text):
            yield from ((c, styles) for c in item[2])
            yield from _draw(item[3], styles, True)
            return item.end()
    if escaped := _ESCAPE.match(text):
        yield escaped[1], styles
        return 2
    if (block := _CODE_BLOCK.match(text)) and block[2].strip("`"):
        yield from ((c, styles | {f"block {block[1] or ''}"}) for c in block[2])
        return block.end()
    if code := _CODE.match(text):
        yield from ((c, styles | {"code"}) for c in code[2])
        return code.end()
    if link := _LINK.match(text):
        yield from _draw(link[1], styles | {f"link to {link[2]}"}, False)
        return link.end()
    for pattern in (_URL, _BRACKETED):
        if whole := pattern.match(text):
            yield from ((c, styles | {f"link to {whole[0]}"}) for c in whole[0])
            return whole.end()
    found = [(match, name) for name, pattern in _STYLES if (match := pattern.match(text))]
    if found:
        style, name = max(found, key=lambda pair: len(pair[0][0]))
        content = next(group for group in style.groups() if group is not None)
        yield from _draw(content, styles | {name}, line_start)
        return style.end()
    yield text[0], styles
    return 1
