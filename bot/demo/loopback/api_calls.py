"""What a client called: the kinds of REST calls, and the record of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

_SNOWFLAKE = re.compile(r"(?<=/)\d+(?=/|$)")
_INTERACTION_TOKEN = re.compile(r"(/(?:interactions|webhooks)/\{id\})/[^/]+")


class CallKind(StrEnum):
    """What a call does, as far as Discord's limits tell calls apart."""

    SEND = "send"
    """A message to a channel."""
    EDIT = "edit"
    """An edit of a channel's message."""
    DELETE = "delete"
    """A deletion of a channel's message."""
    TYPING = "typing"
    RENAME = "rename"
    """A channel or a thread gets another name."""
    HISTORY = "history"
    """Messages of a channel are read."""
    CALLBACK = "callback"
    """The first response to an interaction."""
    WEBHOOK = "webhook"
    """A later response to an interaction: a followup, an edit or a deletion by its token."""
    COMMANDS = "commands"
    """Commands are registered or listed."""
    OTHER = "other"


class Limit(StrEnum):
    """The kinds of 429 that Discord answers with."""

    CHANNEL = "channel"
    """The bot's own limit for one channel, or for one interaction."""
    SHARED = "shared"
    """A limit that the bot shares with others. It does not count as an invalid request."""
    GLOBAL = "global"
    """The limit for all of the bot's requests."""
    RESOURCE = "resource"
    """A limit inside Discord, with error code 40062."""
    CLOUDFLARE = "cloudflare"
    """A ban by Cloudflare, which sits before Discord: HTML, and no `Via` header."""


class ApiCall(NamedTuple):
    """One REST call that a client made.

    Attributes:
        path: after `/api/v10` and without the query, such as `/channels/1/messages/2`.
        status: the HTTP status of the response; 0 if none reached the client.
        at: when the call arrived, in seconds of `time.monotonic()`.
        code: Discord's error code; 0 without one.
        limit: which kind of 429 it was.
        nonce: the message's.
        content_length: characters of the message's content; None if the call carries none.
        has_text: whether the call carries text that people read: content, embeds or text components.
        allowed_mentions: whom the text may mention, as the call says it; None if it does not.
        is_injected: whether a test's fault decided the response.
    """

    method: str
    path: str
    status: int
    at: float
    kind: CallKind = CallKind.OTHER
    code: int = 0
    limit: Limit | None = None
    nonce: str | None = None
    content_length: int | None = None
    has_text: bool = False
    allowed_mentions: dict[str, Any] | None = None
    is_injected: bool = False

    @property
    def route(self) -> str:
        """The method and the path with ids and tokens replaced, such as `PATCH /channels/{id}/messages/{id}`."""
        path = _INTERACTION_TOKEN.sub(r"\1/{token}", _SNOWFLAKE.sub("{id}", self.path))
        return f"{self.method} {path}"


_CHANNEL = re.compile(r"/channels/(\d+)")
_KINDS = tuple(
    (method, re.compile(pattern), kind)
    for method, pattern, kind in (
        ("POST", r"/channels/(\d+)/messages", CallKind.SEND),
        ("PATCH", r"/channels/(\d+)/messages/\d+", CallKind.EDIT),
        ("DELETE", r"/channels/(\d+)/messages/\d+", CallKind.DELETE),
        ("POST", r"/channels/(\d+)/typing", CallKind.TYPING),
        ("GET", r"/channels/(\d+)/messages(?:/\d+)?", CallKind.HISTORY),
        ("POST", r"/interactions/\d+/([^/]+)/callback", CallKind.CALLBACK),
        ("*", r"/webhooks/\d+/([^/]+)(?:/messages/[^/]+)?", CallKind.WEBHOOK),
        ("*", r"/applications/\d+(?:/guilds/\d+)?/(commands).*", CallKind.COMMANDS),
    )
)


def kind_of(method: str, path: str, body: object = None) -> tuple[CallKind, str]:
    """Return a call's kind, and the id of the channel or the token that its limit is counted for."""
    if method == "PATCH" and isinstance(body, dict) and "name" in body and (channel := _CHANNEL.fullmatch(path)):
        return CallKind.RENAME, channel[1]
    for one_method, pattern, kind in _KINDS:
        if one_method in (method, "*") and (match := pattern.fullmatch(path)):
            return kind, match[1]
    return CallKind.OTHER, ""


def without_allowed_mentions(calls: Iterable[ApiCall]) -> list[ApiCall]:
    """List the calls whose text does not say whom it may mention, so that it could ping everyone."""
    return [call for call in calls if call.has_text and call.allowed_mentions is None]


def that_may_ping_many(calls: Iterable[ApiCall]) -> list[ApiCall]:
    """List the calls whose text could ping others than one named person and who is replied to."""
    return [call for call in calls if call.has_text and not _pings_few(call.allowed_mentions)]


def _pings_few(allowed: dict[str, Any] | None) -> bool:
    return allowed is not None and not (allowed.get("parse") or allowed.get("roles") or allowed.get("users", [])[1:])


def count_calls(calls: Iterable[ApiCall]) -> Counter[tuple[CallKind, int]]:
    """Count calls by kind and status."""
    return Counter((call.kind, call.status) for call in calls)
