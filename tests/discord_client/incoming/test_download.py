"""Whatever a server sends instead of an attachment, the question goes on without it, and with one line about it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
import pytest_asyncio

from bot.conversation.turn import TextFile
from bot.discord_client.incoming.text_files import ReadFiles, read_files
from tests.discord_client.incoming.hostile_server import (
    HostileServer,
    answer,
    bomb,
    endless_body,
    endless_chunks,
    hostile_server,
    silence,
)
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST = 100_000
TOO_LARGE = "I skipped bad.txt: it is too large. I read at most 100 kB of text files per message."
NOT_DOWNLOADED = "I could not download bad.txt from Discord. Send it again."


@pytest_asyncio.fixture(loop_scope="session")
async def hostile() -> AsyncIterator[HostileServer]:
    async with hostile_server() as server:
        yield server


async def read(stage: Stage, hostile: HostileServer) -> ReadFiles:
    """Read a message with a file on the hostile server, and a good one after it."""
    files = [("bad.txt", b"x" * 100), ("good.txt", b"Hello")]
    message = await stage.say(f"<@{stage.server.bot.id}> look", files=files)
    message.attachments[0].url = f"{hostile.url}/bad.txt"
    return await read_files(message.attachments, MOST)


@pytest.mark.parametrize(
    ("send", "remark"),
    [
        pytest.param(endless_chunks, TOO_LARGE, id="endless chunks"),
        pytest.param(endless_body, TOO_LARGE, id="endless body"),
        pytest.param(answer("200 OK\nContent-Length: 363000000", b"x"), TOO_LARGE, id="announced"),
        pytest.param(answer(f"200 OK\nContent-Length: {MOST + 1}", b"x" * (MOST + 1)), TOO_LARGE, id="one byte more"),
        pytest.param(bomb, NOT_DOWNLOADED, id="packed"),
        pytest.param(answer("200 OK\nContent-Length: 100", b"Hel"), NOT_DOWNLOADED, id="shorter than announced"),
        pytest.param(answer("302 Found\nLocation: /other\nContent-Length: 0"), NOT_DOWNLOADED, id="redirect"),
        pytest.param(answer("403 Forbidden\nContent-Length: 0"), NOT_DOWNLOADED, id="403"),
        pytest.param(answer("404 Not Found\nContent-Length: 0"), NOT_DOWNLOADED, id="404"),
        pytest.param(answer("429 Too Many\nRetry-After: 9999\nContent-Length: 0"), NOT_DOWNLOADED, id="429"),
        pytest.param(answer("503 No\nContent-Length: 0"), NOT_DOWNLOADED, id="503"),
        pytest.param(list, NOT_DOWNLOADED, id="reset"),
        pytest.param(lambda: [b"\x00" * 70_000], NOT_DOWNLOADED, id="no HTTP"),
        pytest.param(lambda: [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000], NOT_DOWNLOADED, id="endless header"),
    ],
)
async def test_a_bad_answer_is_one_remark(
    stage: Stage, hostile: HostileServer, send: Callable[[], Iterable[bytes]], remark: str
) -> None:
    hostile.send = send
    found = await asyncio.wait_for(read(stage, hostile), 5)
    assert [file.text for file in found.files if isinstance(file, TextFile)] == ["Hello"]
    assert found.remarks == (remark,)
    assert set(hostile.paths) == {"/bad.txt"}, "no redirect is followed"


async def test_a_file_as_large_as_the_bound_is_read(stage: Stage, hostile: HostileServer) -> None:
    hostile.send = answer(f"200 OK\nContent-Length: {MOST - 5}", b"x" * (MOST - 5))
    found = await read(stage, hostile)
    assert [len(file.text) for file in found.files if isinstance(file, TextFile)] == [MOST - 5, 5]
    assert found.remarks == ()


async def test_reading_stops_at_the_bound(stage: Stage, hostile: HostileServer) -> None:
    tracemalloc.start()
    try:
        await read(stage, hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    assert hostile.sent < 20_000_000, "the rest stays in the sockets' buffers"


async def test_all_files_of_a_message_share_one_time_limit(
    stage: Stage, hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_client.incoming.text_files._SECONDS", 0.2)
    hostile.send = silence
    names = [f"{number}.txt" for number in range(10)]
    files = [(name, b"x") for name in names]
    message = await stage.say(f"<@{stage.server.bot.id}> look", files=files)
    for attachment in message.attachments:
        attachment.url = f"{hostile.url}/{attachment.filename}"
    found = await asyncio.wait_for(read_files(message.attachments, MOST), 1.5)
    assert found.remarks == (
        "I could not download 0.txt, 1.txt, 2.txt, 3.txt and 6 more from Discord. Send them again.",
    )
