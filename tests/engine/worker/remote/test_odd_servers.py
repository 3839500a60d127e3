"""Servers that are hard to learn about."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.engine.worker.remote import learning, servers
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.errors import ServerBusyError, ServerLostError, error_of_status, unreachable
from bot.engine.worker.remote.servers import Servers
from tests.completion_server import CompletionServer, Faults, serving
from tests.engine.worker.remote.conftest import options_for
from tests.engine.worker.remote.test_start import line_of, loaded


class _Gateway(CompletionServer):
    """Lets through what is below `/v1` only."""

    status = 403

    async def _tokenize(self, request: web.Request) -> web.Response:
        await self._checked(request)
        return web.json_response({}, status=self.status)


@pytest.mark.parametrize("status", [400, 403, 404, 307, 500])
async def test_a_server_may_keep_its_tokenizer_to_itself(folder: Path, status: int) -> None:
    server = _Gateway(folder, "vllm")
    server.status = status
    await server.start()
    try:
        assert (await loaded(options_for(folder, server))).facts.engine == "openai (vLLM) phi"
    finally:
        await server.stop()


class _Lister(CompletionServer):
    listed: Any = None

    async def _list_models(self, request: web.Request) -> web.Response:
        return web.json_response(self.listed)


@pytest.mark.parametrize(
    "listed", [{"data": 5}, {"data": "phi"}, {"data": {"phi": {}}}, {"data": [{"id": ["phi"]}]}, []]
)
async def test_a_list_of_models_that_is_none_is_named(folder: Path, listed: object) -> None:
    server = _Lister(folder, "vllm")
    server.listed = listed
    await server.start()
    try:
        assert "lists no models; correct ENGINE_URL" in await line_of(options_for(folder, server))
    finally:
        await server.stop()


async def test_an_adapter_has_the_context_of_its_model(folder: Path) -> None:
    server = _Lister(folder, "vllm")
    server.listed = {
        "data": [
            {"id": "phi", "max_model_len": 2000, "parent": None},
            {"id": "pirate", "max_model_len": None, "parent": "phi"},
        ]
    }
    await server.start()
    try:
        engine = await loaded(options_for(folder, server, server_model="pirate"))
        assert engine.limits.context == 2000
    finally:
        await server.stop()


async def test_a_busy_server_is_waited_for(folder: Path) -> None:
    async with serving(folder) as server:
        server.faults = Faults(status=429)
        loading = asyncio.create_task(loaded(options_for(folder, server)))
        async with asyncio.timeout(20):
            while len(server.requests) < 2:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.02)
        assert not loading.done()
        server.faults = Faults()
        assert (await loading).facts.engine == "openai (vLLM) phi"


async def test_a_server_that_lives_but_generates_nothing_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_PROBE_SECONDS", 0.2)
    async with serving(folder) as server, serving(folder) as other:
        server.faults.hold_after = 0
        engine = await loaded(options_for(folder, server, other))
        assert engine.facts.engine == "openai (vLLM) phi"
        assert f"{server.url} generates no token within 0.2 s; look at its log" in str(engine.events)


async def test_a_late_server_keeps_no_other_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_LATE_SECONDS", 0.2)
    async with serving(folder) as server, serving(folder) as other:
        server.faults.hold_after = 0
        engine = await loaded(options_for(folder, server, other))
        assert f"Server left out: {server.url} has not answered within 0.2 s; look at its log" in str(engine.events)


class _Puzzled:
    async def learn(self, connection: Connection) -> Any:
        raise TypeError("unhashable type: 'list'")


async def test_nothing_that_a_server_says_ends_the_others(folder: Path) -> None:
    puzzling = Servers([Connection("http://127.0.0.1:9", "", 1.0, 1)], _Puzzled())
    try:
        [error] = await puzzling.learn_all()
        assert str(error).startswith("http://127.0.0.1:9 cannot be asked (unhashable type: 'list')")
    finally:
        await puzzling.close()


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [("3", 3.0), ("-1", 0.0), ("nan", None), ("soon", None), (None, None)]
)
def test_a_time_that_is_none_is_not_waited_for(retry_after: str | None, seconds: float | None) -> None:
    error = error_of_status("http://a", 429, None, retry_after)
    assert isinstance(error, ServerBusyError)
    assert error.seconds == seconds
    assert not isinstance(error, ServerLostError)


def test_a_certificate_that_nobody_vouches_for_is_named() -> None:
    cause = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    assert str(unreachable("https://a", ConnectionError(cause))) == (
        f"https://a has a certificate that this machine does not trust ({cause}); add its authority to the machine's "
        "own, or correct ENGINE_URL"
    )
