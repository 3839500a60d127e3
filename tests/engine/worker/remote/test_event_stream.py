"""Events are read however the network cuts them, and whatever else a server sends is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.worker.remote import event_stream
from bot.engine.worker.remote.event_stream import read_events

JSON = st.dictionaries(st.text(), st.text() | st.integers() | st.none())


async def read(*pieces: bytes) -> list[object]:
    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [event async for event in read_events(arriving())]


@given(events=st.lists(JSON), cuts=st.lists(st.integers(0, 400)), end=st.sampled_from(["\n", "\r\n"]))
async def test_the_network_may_cut_anywhere(events: list[dict[str, object]], cuts: list[int], end: str) -> None:
    lines = [f": comment{end}{end}", *(f"data: {json.dumps(event, ensure_ascii=False)}{end}{end}" for event in events)]
    stream = "".join(lines).encode("utf-8", "replace") + f"data: [DONE]{end}{end}".encode()
    places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    pieces = [stream[start:stop] for start, stop in pairwise(places)]
    assert await read(*pieces) == events


async def test_nothing_counts_after_the_end() -> None:
    assert await read(b'data: {"a": 1}\ndata: [DONE]\nnonsense') == [{"a": 1}]


async def test_line_breaks_within_json_are_none() -> None:
    text = "a\u2028b\x85c\x0bd"
    assert await read(f"data: {json.dumps({'text': text}, ensure_ascii=False)}\n".encode()) == [{"text": text}]


@pytest.mark.parametrize(
    "content", [b"<html>\n", b"data: <html>\n", b"data: [1]\n", b"data: " + b"[" * 100_000 + b"\n"]
)
async def test_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no server-sent events|no JSON"):
        await read(content)


async def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MOST_EVENT_BYTES", 1000)
    with pytest.raises(ValueError, match="without end"):
        await read(*[b"data: " + b"x" * 500] * 3)
