"""Finds in the log what members wrote, who they are and what is secret, however it is written there."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from bot.cli.log.formats import JsonFormat, TextFormat
from bot.cli.log.redaction import Redaction

_ROOT = Path(__file__).resolve().parents[2]
_WORD = re.compile(r"[^\W_]+")
_LONG_WORD = 8
_COUNTS = _FEW_WORDS, _MANY_WORDS = 3, 5
_LONG_PHRASE = 12
_TEXTS = ("content", "value", "filename")
_NAMES = ("username", "global_name", "nick")
_SHORTEST_SECRET = 8
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtvf\"'])")


class PrivateLog(logging.Handler):
    """Keeps the log in both formats, and what must not be in it.

    A text counts as shown if three of its words stand side by side in the log, or one long word, and the bot's source
    does not have them. Of what the bot wrote, five must: its lines to members have values that the log may have, too.
    Names count as words, secrets as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        redaction = Redaction()
        self._formats = (TextFormat(redaction), JsonFormat(redaction))
        self._lines: list[str] = []
        self._phrases: set[str] = set()
        self._names: set[str] = set()
        self._secrets: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines += [each.format(record) for each in self._formats]

    def add_secret(self, secret: str) -> None:
        if len(secret) >= _SHORTEST_SECRET:
            self._secrets.add(secret)

    def add_event(self, _event: str, payload: Mapping[str, Any]) -> None:
        """Learn from an event of the gateway what is private: all that members and the bot wrote, names, tokens."""
        self.add_secret(str(payload.get("token", "")))
        self._add(payload, _FEW_WORDS)

    def _add(self, value: object, count: int) -> None:
        if isinstance(value, Mapping):
            count = _MANY_WORDS if (value.get("author") or {}).get("bot") else count
            if not value.get("bot"):
                for name in _NAMES:
                    self._names.update(_words(str(value.get(name) or "")))
            for key, inner in value.items():
                if key in _TEXTS and isinstance(inner, str):
                    self._phrases |= _phrases(inner, count)
                self._add(inner, count)
        elif isinstance(value, list | tuple):
            for inner in value:
                self._add(inner, count)

    def check(self, *others: str) -> None:
        """Check what was logged since the last time, and what child processes wrote."""
        lines, self._lines = [*self._lines, *others], []
        text = "\n".join(lines)
        readable = _decoded(text)
        logged = set().union(*(_phrases(each, count) for each in (text, readable) for count in _COUNTS))
        shown = logged & self._phrases
        found = shown - _phrases_of_the_bot() if shown else shown
        found |= (set(_words(text)) | set(_words(readable))) & (self._names - {"phi"})
        assert not found, f"the log has {sorted(found)} in:\n{_lines_with(found, lines)}"
        assert not any(secret in each for secret in self._secrets for each in (text, readable)), "the log has a token"


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _phrases(text: str, count: int) -> set[str]:
    """The long words of a text, and so many of its words side by side; numbers are none, or ids would be."""
    words = [word for word in _words(text) if not word.isdecimal()]
    several = zip(*(words[start:] for start in range(count)), strict=False)
    phrases = {" ".join(each) for each in several}
    return {each for each in words if len(each) >= _LONG_WORD} | {each for each in phrases if len(each) >= _LONG_PHRASE}


def _decoded(text: str) -> str:
    """A text without the ways in which programs write other characters, however often they did it."""
    while (plain := unquote_plus(_ESCAPE.sub(_character, text))) != text:
        text = plain
    return text


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else " "


@functools.cache
def _phrases_of_the_bot() -> set[str]:
    sources = sorted((_ROOT / "bot").rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in sources]
    return set().union(*(_phrases(text, count) for text in texts for count in _COUNTS))


def _lines_with(found: Iterable[str], lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if any(each in " ".join(_words(_decoded(line))) for each in found))
