"""A silent server is asked whether it is alive, and an answer that stops is lost even if it says yes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bot.engine.interface import GenerationRequest
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.dialects import llama_cpp, vllm
from bot.engine.worker.remote.errors import ServerLostError
from bot.engine.worker.remote.server import Generated, Learned, PromptRead, Server
from bot.prompting.exact_text import ExactText
from tests.completion_server import CompletionServer, Json, serving

SILENT_SECONDS = 0.1


@pytest_asyncio.fixture
async def remote(folder: Path) -> AsyncIterator[CompletionServer]:
    async with serving(folder) as server:
        yield server


@pytest_asyncio.fixture
async def server(remote: CompletionServer) -> AsyncIterator[Server]:
    connection = Connection(remote.url, "", SILENT_SECONDS, 1)
    yield Server(connection, Learned("phi", vllm(), None))
    await connection.close()


async def generated(server: Server, request: GenerationRequest) -> list[int]:
    return [id async for each in server.generate(request) if isinstance(each, Generated) for id in each.ids]


async def test_an_answer_that_stops_is_lost(remote: CompletionServer, server: Server, asked: GenerationRequest) -> None:
    remote.faults.hold_after = 5
    with pytest.raises(ServerLostError, match="stopped in the middle of an answer; look at its log"):
        await generated(server, asked)
    assert len(remote.keys) > 3
    await remote.closed.wait()


async def test_a_server_that_says_nothing_at_all_is_lost(
    remote: CompletionServer, server: Server, asked: GenerationRequest
) -> None:
    remote.faults.hang_after = 0
    with pytest.raises(ServerLostError, match=r"does not answer within 0\.1 s"):
        await generated(server, asked)


async def test_a_resumed_answer_draws_anew(remote: CompletionServer, server: Server, asked: GenerationRequest) -> None:
    sampling = replace(asked.sampling, temperature=1.0, seed=2**32 - 1)
    for resumed in (0, 1):
        await generated(server, replace(asked, sampling=sampling, resumed_tokens=resumed, max_new_tokens=3))
    seeds = [body["seed"] for body in remote.requests]
    assert len(set(seeds)) == 2
    assert all(0 <= seed < 2**31 for seed in seeds)


async def test_a_prompt_may_be_read_for_any_time_after_a_first_sign(
    folder: Path, text: ExactText, asked: GenerationRequest
) -> None:
    async with serving(folder, "llama.cpp") as remote:
        remote.faults.hold_after = 0  # after what it says about the prompt
        connection = Connection(remote.url, "", SILENT_SECONDS, 1)
        server = Server(connection, Learned("phi", llama_cpp(text), None))
        stream = server.generate(replace(asked, max_new_tokens=3))
        assert await anext(stream) == PromptRead(len(asked.prompt_ids), cached=2)
        next_one = asyncio.ensure_future(anext(stream))
        async with asyncio.timeout(20):
            while len(remote.keys) < 9:  # noqa: ASYNC110 - it is asked more than six times whether it is alive
                await asyncio.sleep(0.02)
        remote.faults.released.set()
        assert isinstance(await next_one, Generated)
        await stream.aclose()
        await connection.close()


class _DiesWhenAsked(CompletionServer):
    """Begins its answer when it is asked whether it is alive, and then says that it is not."""

    begun: asyncio.Event

    async def _list_models(self, request: web.Request) -> web.Response:
        self.faults.released.set()
        await self.begun.wait()
        raise web.HTTPServiceUnavailable

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        await self.faults.released.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.closed.set()
        return response


@pytest_asyncio.fixture
async def dying(folder: Path) -> AsyncIterator[_DiesWhenAsked]:
    server = _DiesWhenAsked(folder, "vllm")
    server.begun = asyncio.Event()
    await server.start()
    yield server
    await server.stop()


async def test_a_response_that_comes_too_late_is_closed(dying: _DiesWhenAsked, asked: GenerationRequest) -> None:
    connection = Connection(dying.url, "", 0.5, 1)
    with pytest.raises(ServerLostError):
        await generated(Server(connection, Learned("phi", vllm(), None)), asked)
    async with asyncio.timeout(5):
        await dying.closed.wait()
    await connection.close()


async def test_an_error_that_comes_too_late_is_not_logged(
    dying: _DiesWhenAsked, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        await dying.faults.released.wait()
        dying.begun.set()
        raise OSError("broken")

    connection = Connection(dying.url, "", 0.5, 1)
    with pytest.raises(ServerLostError):
        await connection.while_alive(fail())
    await connection.close()
    gc.collect()
    assert not caplog.messages


class _Full(CompletionServer):
    """Has threads for its answers only, as llama.cpp's server had, and does not answer anything else meanwhile."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "vllm")
        self.asked = 0
        self.first_is_asked_for = asyncio.Event()
        self.enough = asyncio.Event()

    async def _list_models(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.asked == 3:
            self.enough.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if self.first_is_asked_for.is_set():
            await self.enough.wait()
        self.first_is_asked_for.set()
        return await super()._complete(request)

    async def _events(self, body: Json, request: web.Request) -> AsyncIterator[bytes]:
        while not self.enough.is_set():
            yield b":\n\n"
            await asyncio.sleep(SILENT_SECONDS / 5)
        async for event in super()._events(body, request):
            yield event


async def test_a_server_that_streams_another_answer_is_alive(folder: Path, asked: GenerationRequest) -> None:
    remote = _Full(folder)
    await remote.start()
    connection = Connection(remote.url, "", SILENT_SECONDS, 2)
    server = Server(connection, Learned("phi", vllm(), None))
    short = replace(asked, max_new_tokens=3)
    try:
        streaming = asyncio.create_task(generated(server, short))
        await remote.first_is_asked_for.wait()
        assert len(await generated(server, short)) == 3
        assert len(await streaming) == 3
        assert remote.asked >= 3
    finally:
        await connection.close()
        await remote.stop()
