"""Discord's limits on a bot's messages that simcord does not enforce, or words differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from simcord.backend.errors import BackendError
from simcord.components import walk_components
from simcord.enums import CallbackType

from bot.demo.loopback.request_body import RequestBody, Upload
from bot.demo.loopback.values import LARGEST_FILE, Payload

_LONGEST_CONTENT = 2000
_LONGEST_NONCE = 25
_INVALID_FORM_BODY = 50035
_EMPTY_MESSAGE = "Cannot send an empty message"

_NEW_MESSAGE = re.compile(r"/channels/(\d+)/messages")
_CHANNEL_MESSAGE = re.compile(r"/channels/(\d+)/messages/(\d+)")
_WEBHOOK_MESSAGE = re.compile(r"/webhooks/\d+/([^/]+)/messages/(\d+|@original)")
_NEW_THREAD = re.compile(r"/channels/\d+/threads")
_MESSAGE_RESPONSES = (CallbackType.CHANNEL_MESSAGE_WITH_SOURCE, CallbackType.UPDATE_MESSAGE)
_IN_RESPONSE = re.compile(r"/interactions/\d+/[^/]+/callback")
_WITH_CONTENT = (_NEW_MESSAGE, _CHANNEL_MESSAGE, _WEBHOOK_MESSAGE, _IN_RESPONSE, re.compile(r"/webhooks/\d+/[^/]+"))


def check_uploads(uploads: Sequence[Upload]) -> None:
    """Refuse files over 10 MiB, the limit of a server without boosts."""
    if any(upload.size > LARGEST_FILE for upload in uploads):
        raise BackendError(413, 40005, "Request entity too large")


def check_message(backend: Any, method: str, path: str, body: RequestBody) -> None:
    """Check the message that a call carries, if any.

    Raises:
        BackendError: 50035 with Discord's own details if the content exceeds 2,000 characters, the nonce exceeds 25
            or the message replied to is gone; 50006 if an edit leaves the message empty.
    """
    message = body.message()
    if not isinstance(message, dict) or not any(pattern.fullmatch(path) for pattern in _WITH_CONTENT):
        return
    content = message.get("content")
    if isinstance(content, str) and len(content) > _LONGEST_CONTENT:
        prefix = ("data",) if _IN_RESPONSE.fullmatch(path) else ()
        raise form_error((*prefix, "content"), "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
    if len(str(message.get("nonce", ""))) > _LONGEST_NONCE:
        raise form_error(("nonce",), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    if method == "POST" and (channel := _NEW_MESSAGE.fullmatch(path)):
        _check_reply(backend, int(channel[1]), message)
    if method == "PATCH":
        stored = _stored_message(backend, path)
        if stored is not None and not body.uploads and _is_left_empty(stored, message):
            raise BackendError(400, 50006, _EMPTY_MESSAGE)


def has_text(method: str, path: str, body: RequestBody) -> bool:
    """Whether a call carries a message with text that people read: content, embeds or text components."""
    message = body.message()
    if method not in ("POST", "PATCH") or not isinstance(message, dict):
        return False
    if _NEW_THREAD.fullmatch(path):
        message = message.get("message") or {}
    elif not any(pattern.fullmatch(path) for pattern in _WITH_CONTENT) or _is_no_message(path, body):
        return False
    texts = [one.get("content") for one in walk_components(message.get("components") or [])]
    return bool(message.get("content") or message.get("embeds") or any(texts))


def _is_no_message(path: str, body: RequestBody) -> bool:
    """Whether a first response is a modal, choices or a bare acknowledgement."""
    return bool(_IN_RESPONSE.fullmatch(path)) and body.data.get("type") not in _MESSAGE_RESPONSES


def precise_error(error: BackendError) -> BackendError:
    """Return the error with Discord's own code where simcord uses a general one."""
    return BackendError(400, 50006, _EMPTY_MESSAGE) if _EMPTY_MESSAGE in error.message else error


def _check_reply(backend: Any, channel_id: int, message: Payload) -> None:
    """Refuse a reply to a deleted message, or turn it into an ordinary message if the bot allows that."""
    reference = message.get("message_reference")
    if not reference or reference.get("type", 0) != 0:
        return
    target = backend.messages.get(channel_id, {}).get(int(reference["message_id"]))
    if target is not None and not target.is_ephemeral:
        return
    if reference.get("fail_if_not_exists", True):
        raise form_error(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    del message["message_reference"]


def _stored_message(backend: Any, path: str) -> Any | None:
    """Return the message that an edit changes, or None if it is gone, which simcord reports itself."""
    if in_channel := _CHANNEL_MESSAGE.fullmatch(path):
        return backend.messages.get(int(in_channel[1]), {}).get(int(in_channel[2]))
    by_token = _WEBHOOK_MESSAGE.fullmatch(path)
    record = backend.interactions.get(backend.interaction_tokens.get(by_token[1])) if by_token else None
    if by_token is None or record is None:
        return None
    message_id = record.message_id if by_token[2] == "@original" else int(by_token[2])
    return backend.messages.get(record.channel_id, {}).get(message_id)


def _is_left_empty(stored: Any, changes: Payload) -> bool:
    parts = ("content", "embeds", "components", "attachments", "poll")
    return not stored.stickers and not any(changes.get(part, getattr(stored, part)) for part in parts)


def form_error(path: Sequence[str], code: str, message: str) -> BackendError:
    """Return error 50035 with Discord's details about one field."""
    errors: Payload = {"_errors": [{"code": code, "message": message}]}
    for key in reversed(path):
        errors = {key: errors}
    return BackendError(400, _INVALID_FORM_BODY, "Invalid Form Body", errors=errors)
