"""What a bot's token looks like, and what is wrong with one, without ever showing any of it."""

from __future__ import annotations

import re

TOKEN_SHAPE = re.compile(r"[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}", re.ASCII)
_PARTS = 3
_SHORTEST = 50
_ALPHABET = re.compile(r"[\w.-]*", re.ASCII)
_QUOTES = "'\"`\u201c\u201d\u201e\u2018\u2019\u200b\u2060\ufeff"  # and what a web page makes of them
_AROUND = re.compile(
    rf"^(?:(?:export)?DISCORD_TOKEN[=:])?[{_QUOTES}]*(?:Bot)?[{_QUOTES}]*|[{_QUOTES}]+$", re.IGNORECASE
)
_PLACEHOLDER = re.compile(r"your|token|here|paste|change|example|secret|xxx|\.\.\.", re.IGNORECASE)


def pasted_token(text: str) -> str:
    """The token in what somebody pasted: without line breaks, spaces, quotes, its setting's name and the word Bot."""
    return _AROUND.sub("", "".join(text.split()))


def token_mistake(token: str) -> str | None:
    """What is wrong with a token, and the way out; None if it has the form of one."""
    if TOKEN_SHAPE.fullmatch(token):
        return None
    return (
        f"{_difference(token)}; copy all of it from the developer portal (Bot, Reset Token), not the client secret or "
        "the public key"
    )


def _difference(token: str) -> str:
    if len(token) < _SHORTEST and _PLACEHOLDER.search(token):
        return "it is still a placeholder"
    if not _ALPHABET.fullmatch(token):
        return "it has a character that no token has, such as a space or a quote"
    parts = token.split(".")
    if len(parts) != _PARTS:
        count = "1 part" if len(parts) == 1 else f"{len(parts)} parts"
        return f"{len(token)} characters in {count}, but a bot's token has three parts separated by dots"
    return f"its three parts have {', '.join(str(len(part)) for part in parts)} characters, fewer than a bot's token"
