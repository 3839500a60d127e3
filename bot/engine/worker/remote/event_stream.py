"""Reads server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html defines them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

MOST_EVENT_BYTES = 4 << 20
"""Upper bound of one event; llama.cpp's last one may hold the whole prompt."""

_END = b"[DONE]"


async def read_events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON objects of a stream of completions, up to its end.

    Not by text lines: JSON may hold characters that Python takes for line breaks.

    Raises:
        ValueError: the stream holds something else.
    """
    buffer = b""
    async for piece in pieces:
        *lines, buffer = (buffer + piece).split(b"\n")
        if len(buffer) > MOST_EVENT_BYTES:
            raise ValueError("an event without end")
        for line in lines:
            data = _data_of(line.rstrip(b"\r"))
            if data == _END:
                return
            if data:
                yield _parse(data)
    if (last := _last_event(buffer)) is not None:
        yield last


def _data_of(line: bytes) -> bytes:
    """What a line holds; nothing for empty lines, comments and fields other than `data`."""
    name, _, value = line.partition(b":")
    if name == b"error":  # how llama.cpp's server began lines with an error
        return value.strip()
    if name not in (b"data", b"", b"event", b"id", b"retry"):
        raise ValueError("no server-sent events")
    return value.strip() if name == b"data" else b""


def _last_event(line: bytes) -> dict[str, Any] | None:
    """The event of a last line that lacks its end; None if it was cut off."""
    try:
        data = _data_of(line)
        return _parse(data) if data and data != _END else None
    except ValueError:
        return None


def _parse(data: bytes) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("an event that is no JSON") from None
    if not isinstance(event, dict):
        raise ValueError("an event that is no JSON object")
    return event
