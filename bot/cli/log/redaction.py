"""Hides in log lines what nobody may read there: tokens, keys, passwords, signed addresses, rows of the database."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from urllib.parse import quote

_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6
"""A shorter one would hide parts of ordinary words; what `_SHAPES` knows is hidden all the same."""
_SHAPES = (
    # Whoever has an interaction's token can answer in the bot's name for 15 minutes.
    re.compile(r"(?<=/interactions/)(\d+/)[^/\s'\"?]+"),
    re.compile(r"(?<=/webhooks/)(\d+/)[^/\s'\"?]+"),
    re.compile(r"(['\"]token\\*['\"]: *\\*['\"])[^'\"\\]+"),
    re.compile(r"()\baW50ZXJhY3Rpb246[\w-]+"),  # one alone: it begins with "interaction:" in base64
    # A file's name is its author's, and whoever has the signed address can read the file.
    re.compile(r"(?<=/attachments/)(\d+/\d+/)[^\s'\"]+"),
    re.compile(r"()\b[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}"),  # a bot's token
    re.compile(r"(\bBearer )[^\s'\"]+"),
    # A password in an address, but not in the example of an error line.
    re.compile(r"(://[^/\s:@'\"]*:)(?!password@host/)[^\s@'\"]+(?=@)"),
    # PostgreSQL shows the row that it refuses: https://www.postgresql.org/docs/current/errcodes-appendix.html
    re.compile(r"(Failing row contains ).*?(?=\n\[SQL: |\n\nThe above exc|\n\nDuring hand|\Z)", re.DOTALL),
)


class Redaction:
    """Hides secrets by their shape, and known ones in whatever way they are written.

    Args:
        secrets: the known ones.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = sorted((each for each in secrets if len(each) >= _SHORTEST_SECRET), key=len, reverse=True)
        patterns = ["".join(map(_any_way_to_write, secret)) for secret in known]
        self._known = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def __call__(self, text: str) -> str:
        """The text without its secrets. Apply it before line breaks are escaped: a row ends at one."""
        if self._known is not None:
            text = self._known.sub(_HIDDEN, text)
        for shape in _SHAPES:
            text = shape.sub(rf"\1{_HIDDEN}", text)
        return text


def _any_way_to_write(character: str) -> str:
    """A pattern for a character as it is, in an address, and as JSON and Python escape it, also more than once."""
    if character == "\\":
        return r"(?:\\+|%5C)"
    in_json, in_python = json.dumps(character)[1:-1], ascii(character)[1:-1]
    escaped = {re.escape(each.replace("\\", "")) for each in (character, in_json, in_python)}
    return rf"(?:\\*(?:{'|'.join(sorted(escaped))})|{re.escape(quote(character, safe=''))})"
