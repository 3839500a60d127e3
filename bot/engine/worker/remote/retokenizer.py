"""Turns a streamed text into token ids while it grows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

_WORD_START = re.compile(r"(?<=\S)\s(?!.*(?<=\S)\s)", re.DOTALL)
_MOST_PENDING = 64
"""Characters; a longer word is cut, because somebody waits for it."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_HIGH_SURROGATE = re.compile("[\ud800-\udbff]$")


class _Encoder(Protocol):
    def encode(self, text: str) -> list[int]: ...


class Retokenizer:
    """The ids of one growing text.

    A word is held back until the next one begins, so that its ids are those that a whole text has.

    Args:
        encoder: text to ids, whose text is the same.
    """

    def __init__(self, encoder: _Encoder) -> None:
        self._encoder = encoder
        self._pending = ""

    def add(self, text: str) -> Sequence[int]:
        """Add a piece of text, and return the ids that are settled."""
        self._pending += text
        settled = self._settled_length()
        text, self._pending = self._pending[:settled], self._pending[settled:]
        return self._encode(text)

    def finish(self) -> Sequence[int]:
        """Return the ids of what is left."""
        text, self._pending = self._pending, ""
        return self._encode(text)

    def _settled_length(self) -> int:
        if (word := _WORD_START.search(self._pending)) is not None:
            return word.start()
        length = len(self._pending)
        if length <= _MOST_PENDING:
            return 0
        return length - 1 if _HIGH_SURROGATE.search(self._pending) else length  # JSON may cut a pair in two

    def _encode(self, text: str) -> Sequence[int]:
        if not text:
            return ()
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return self._encoder.encode(text)
