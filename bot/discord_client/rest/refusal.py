"""Classes what Discord or the network answers instead of doing what was asked.

discord.py raises a plain `HTTPException` for a 429 that it could not wait out, and aiohttp's errors for a connection
that broke, so the type of an error does not say whether to try again. Codes:
https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import aiohttp
import discord

_ARCHIVED = 50083
_LOCKED = 160005
_UNREADABLE_HISTORY = 160002
_MISSING_PERMISSIONS = 50013
_MISSING_ACCESS = 50001
_UNKNOWN_MESSAGE = 10008
_ENDED_TOKENS = frozenset({50027, 10015})  # of interactions, after 15 minutes
_GONE = frozenset({10003, 10004, _UNKNOWN_MESSAGE})  # the channel, the server, the message
_OVERLOADED = frozenset(
    {
        20016,  # slow mode
        20022,  # announcement edits
        20028,  # the channel's write rate
        20029,  # the server's write rate
        30046,  # edits of messages that are older than an hour
        40004,  # sending is disabled for now
        40006,  # a feature is disabled for now
        40062,  # the resource is rate limited
        130000,  # the API is overloaded
    }
)
_OF_CONTENT = frozenset({200000, 200001, 240000})  # AutoMod, in a message or a title, and harmful links
_OF_CHANNEL = frozenset(
    {
        10003,  # unknown channel
        10004,  # unknown server
        _MISSING_ACCESS,
        50007,  # the member takes no direct messages
        50008,  # not a text channel
        _MISSING_PERMISSIONS,
        50024,  # not for this type of channel
        _ARCHIVED,
        50278,  # no direct messages, for want of a common server
        _LOCKED,
        _UNREADABLE_HISTORY,
        40094,  # as many messages as an interaction may have
        *_ENDED_TOKENS,
    }
)


class RefusalKind(Enum):
    """How far a refusal reaches."""

    PASSING = auto()
    """The same request may succeed later."""
    OF_MESSAGE = auto()
    """This message cannot be written, now or later; others in its channel can."""
    OF_CHANNEL = auto()
    """Nothing like it can be written in this channel until somebody changes a permission."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not done.

    Attributes:
        kind: how far it reaches.
        reason: one line for the log.
        code: Discord's code of the error, 0 without one.
        retry_after: seconds that Discord wants to be left alone; None if it does not say.
        everywhere: whether `retry_after` concerns all requests and not only those of this kind and channel.
    """

    kind: RefusalKind
    reason: str
    code: int = 0
    retry_after: float | None = None
    everywhere: bool = False

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind is RefusalKind.PASSING

    @property
    def needs_history(self) -> bool:
        """Whether only the reference to the question is refused, not the text."""
        return self.code == _UNREADABLE_HISTORY

    @property
    def of_ended_token(self) -> bool:
        """Whether the time has passed in which an interaction can be answered."""
        return self.code in _ENDED_TOKENS

    @property
    def of_content(self) -> bool:
        """Whether the server's rules refuse what the text says."""
        return self.code in _OF_CONTENT

    @property
    def of_permission(self) -> bool:
        """Whether a permission is missing; for a message with a file it may be the one for files."""
        return self.code == _MISSING_PERMISSIONS

    @property
    def of_access(self) -> bool:
        """Whether the bot does not see the channel."""
        return self.code == _MISSING_ACCESS

    @property
    def of_closed_thread(self) -> bool:
        """Whether the thread is archived, so that it takes no edits but opens for a new message, or locked."""
        return self.code in (_ARCHIVED, _LOCKED)

    @property
    def of_channel(self) -> bool:
        """Whether nothing like it can be written in this channel."""
        return self.kind is RefusalKind.OF_CHANNEL

    @property
    def of_message(self) -> bool:
        """Whether only this message cannot be written, though it exists."""
        return self.kind is RefusalKind.OF_MESSAGE and not self.is_gone

    @property
    def is_gone(self) -> bool:
        """Whether the message, its channel or its server does not exist any more."""
        return self.code in _GONE


def refusal_of(error: BaseException) -> Refusal | None:
    """The refusal behind an error; None if it is neither Discord's nor the network's."""
    match error:
        case discord.RateLimited():
            return Refusal(RefusalKind.PASSING, "rate limited (429)", retry_after=error.retry_after)
        case discord.HTTPException(status=429):
            return _rate_limit(error)
        case discord.HTTPException():
            return Refusal(_kind(error), _line(error), error.code)
        case json.JSONDecodeError():
            return Refusal(RefusalKind.PASSING, "Discord's answer is broken off")
        case TimeoutError():
            return Refusal(RefusalKind.PASSING, "Discord does not answer")
        case RuntimeError() if str(error) == "Session is closed":
            # aiohttp's session, when the bot ends; the next start goes on.
            return Refusal(RefusalKind.PASSING, "the bot is ending")
        case aiohttp.ClientResponseError():  # the gateway refuses the connection
            headers: Any = error.headers or {}
            retry_after = _seconds(headers.get("Retry-After"))
            return Refusal(RefusalKind.PASSING, f"Discord answers {error.status}", retry_after=retry_after)
        case aiohttp.ClientError() | OSError():
            return Refusal(RefusalKind.PASSING, f"Discord cannot be reached: {str(error) or type(error).__name__}")
    return None


def global_limit_seconds(response: aiohttp.ClientResponse) -> float | None:
    """For how long a response lets the bot make no request at all; None if it does not say so."""
    if response.status != 429 or not _is_global(response.headers):
        return None
    return _seconds(response.headers.get("Retry-After"))


def _rate_limit(error: discord.HTTPException) -> Refusal:
    headers: Mapping[str, str] = error.response.headers
    # Without Via the answer comes from Cloudflare, which blocks the address, not a route.
    everywhere = "Via" not in headers or _is_global(headers)
    source = "by Cloudflare " if "Via" not in headers else ""
    retry_after = _seconds(headers.get("Retry-After"))
    return Refusal(RefusalKind.PASSING, f"rate limited {source}(429)", error.code, retry_after, everywhere)


def _is_global(headers: Mapping[str, str]) -> bool:
    return "X-RateLimit-Global" in headers or headers.get("X-RateLimit-Scope") == "global"


def _kind(error: discord.HTTPException) -> RefusalKind:
    if error.code in _ENDED_TOKENS:
        return RefusalKind.OF_CHANNEL
    # 401: the bot's token was reset. Only a start with a new one helps, and then the answer can still be delivered.
    if error.status >= 500 or error.status in (401, 408) or error.code in _OVERLOADED or not _is_discords_own(error):
        return RefusalKind.PASSING
    if error.code in _OF_CHANNEL or (error.status in (403, 404) and not error.code):
        return RefusalKind.OF_CHANNEL
    return RefusalKind.OF_MESSAGE


def _is_discords_own(error: discord.HTTPException) -> bool:
    """Whether Discord itself refused, which it does in JSON, and no proxy before it."""
    content_type: str = error.response.headers.get("Content-Type", "")
    return content_type.startswith("application/json")


def _line(error: discord.HTTPException) -> str:
    code = f", code {error.code}" if error.code else ""
    text = " ".join(error.text.split())[:200] if _is_discords_own(error) else ""
    return f"{text or error.response.reason} ({error.status}{code})"


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
