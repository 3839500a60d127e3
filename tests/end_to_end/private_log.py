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
_FEW_WORDS, _MANY_WORDS = 3, 5
_LONG_PHRASE = 8
_TEXTS = ("content", "value", "filename")
_NAMES = ("username", "global_name", "nick")
_SHORTEST_SECRET = 8
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtvf\"'])")


class PrivateLog(logging.Handler):
    """Keeps the log in both formats, and what must not be in it.

    A text counts as shown if three of its words stand side by side in the log, or one long word that the bot's source
    does not have. Of what the bot wrote, five words must, and its source may not have them: its lines to members have
    values that the log may have, too. Names count as words, secrets as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        redaction = Redaction()
        self._formats = (TextFormat(redaction), JsonFormat(redaction))
        self._lines: list[str] = []
        self._of_members: set[str] = set()
        self._of_bots: set[str] = set()
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
        if _command_of(payload) == "model":
            return  # an admin's: the log names the folder that was asked for
        self._add(payload, is_bots=False)

    def _add(self, value: object, *, is_bots: bool) -> None:
        if isinstance(value, Mapping):
            is_bots = bool((value.get("author") or {}).get("bot", is_bots))
            if not value.get("bot"):
                for name in _NAMES:
                    self._names.update(_words(str(value.get(name) or "")))
            for key, inner in value.items():
                if key in _TEXTS and isinstance(inner, str):
                    self._add_text(inner, is_bots=is_bots)
                self._add(inner, is_bots=is_bots)
        elif isinstance(value, list | tuple):
            for inner in value:
                self._add(inner, is_bots=is_bots)

    def _add_text(self, text: str, *, is_bots: bool) -> None:
        self._of_bots |= _long_words(text)
        if is_bots:
            self._of_bots |= _phrases(text, _MANY_WORDS)
        else:
            self._of_members |= _phrases(text, _FEW_WORDS)

    def check(self, *others: str) -> None:
        """Check what was logged since the last time, and what child processes wrote."""
        lines, self._lines = [*self._lines, *others], []
        text = "\n".join(lines)
        readable = _decoded(text)
        found: set[str] = set()
        for each in (text, readable):
            found |= _phrases(each, _FEW_WORDS) & self._of_members
            if shown := (_phrases(each, _MANY_WORDS) | _long_words(each)) & self._of_bots:
                found |= shown - _words_of_the_bot()
            found |= set(_words(each)) & (self._names - {"phi"})
        assert not found, f"the log has {sorted(found)} in:\n{_lines_with(found, lines)}"
        assert not any(secret in each for secret in self._secrets for each in (text, readable)), "the log has a token"


def _command_of(payload: Mapping[str, Any]) -> str | None:
    """The slash command of an interaction, or of the message that answers one."""
    metadata = payload.get("interaction_metadata") or payload.get("interaction") or {}
    return (payload.get("data") or metadata).get("name", "").partition(" ")[0] or None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _long_words(text: str) -> set[str]:
    """Without numbers: ids may be in the log."""
    return {word for word in _words(text) if len(word) >= _LONG_WORD and not word.isdecimal()}


def _phrases(text: str, count: int) -> set[str]:
    """So many words of a text side by side, unless they are numbers or short."""
    words = [word for word in _words(text) if not word.isdecimal()]
    several = zip(*(words[start:] for start in range(count)), strict=False)
    return {phrase for each in several if len(phrase := " ".join(each)) >= _LONG_PHRASE}


def _decoded(text: str) -> str:
    """A text without the ways in which programs write other characters, however often they did it."""
    while (plain := unquote_plus(_ESCAPE.sub(_character, text))) != text:
        text = plain
    return text


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else " "


@functools.cache
def _words_of_the_bot() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted((_ROOT / "bot").rglob("*.py"))]
    return set().union(*(_long_words(text) | _phrases(text, _MANY_WORDS) for text in texts))


def _lines_with(found: Iterable[str], lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if any(each in " ".join(_words(_decoded(line))) for each in found))
