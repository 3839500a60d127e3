"""Servers that say the same in their own way, and those that say something else."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.dialects import vllm
from bot.engine.worker.remote.errors import ServerLostError
from bot.engine.worker.remote.loading import learner_for
from bot.engine.worker.remote.server import Generated, Learned, Server
from tests.completion_server import CompletionServer, Json
from tests.engine.worker.remote.conftest import options_for


class _Odd(CompletionServer):
    """Sends these pieces whatever it is asked."""

    pieces: tuple[bytes, ...] = ()

    async def _events(self, body: Json, request: web.Request) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


@pytest_asyncio.fixture
async def odd(folder: Path) -> AsyncIterator[_Odd]:
    server = _Odd(folder, "vllm")
    await server.start()
    yield server
    await server.stop()


def event(**fields: object) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


def choice(*ids: int, reason: object = None, **fields: object) -> bytes:
    return event(choices=[{"index": 0, "text": "", "token_ids": ids, "finish_reason": reason}], **fields)


async def answer_of(odd: _Odd, request: GenerationRequest, *pieces: bytes) -> tuple[list[int], FinishReason | None]:
    odd.pieces = pieces
    connection = Connection(odd.url, "", 5.0, 1)
    ids: list[int] = []
    reason = None
    try:
        async for each in Server(connection, Learned("phi", vllm(), None)).generate(request):
            assert isinstance(each, Generated)
            ids += each.ids
            reason = each.reason
    finally:
        await connection.close()
    return ids, reason


@pytest.mark.parametrize(
    "pieces",
    [
        (choice(5, 6, reason="stop"),),
        (choice(5, reason=""), choice(6, reason="stop")),
        (choice(5, error=None), choice(6, error=None, reason="stop")),
        (choice(5, 6), choice(reason="stop").rstrip()),
        (choice(5, 6), event(choices=[], usage={}), choice(reason="stop"), event(choices=[], usage={})),
        tuple(bytes([byte]) for byte in (choice(5, 6) + choice(reason="stop")).replace(b"data: ", b"data:")),
    ],
    ids=["together", "empty reason", "null error", "no last line end", "usage", "byte by byte"],
)
async def test_an_answer_is_read_however_it_is_said(
    odd: _Odd, asked: GenerationRequest, pieces: tuple[bytes, ...]
) -> None:
    assert await answer_of(odd, asked, *pieces) == ([5, 6], FinishReason.STOP)


@pytest.mark.parametrize("reason", ["abort", ["stop"], 1])
async def test_another_end_is_none(odd: _Odd, asked: GenerationRequest, reason: object) -> None:
    with pytest.raises(ServerLostError, match="aborted an answer; look at its log"):
        await answer_of(odd, asked, choice(5), choice(reason=reason))


@pytest.mark.parametrize(
    ("limit", "pieces"), [(3, [choice(5)] * 9), (3, [choice(5, 5), choice(5, 5)]), (0, [choice(5)] * 9)]
)
async def test_a_server_that_ignores_the_limit_is_stopped(
    odd: _Odd, asked: GenerationRequest, limit: int, pieces: list[bytes]
) -> None:
    request = replace(asked, max_new_tokens=limit, prefill_only=not limit)
    assert await answer_of(odd, request, *pieces) == ([5] * (limit or 1), FinishReason.LENGTH)


async def test_the_last_token_may_be_followed_by_the_end(odd: _Odd, asked: GenerationRequest) -> None:
    request = replace(asked, max_new_tokens=2)
    assert await answer_of(odd, request, choice(5, 6), choice(reason="stop")) == ([5, 6], FinishReason.STOP)


async def test_a_token_that_no_later_prompt_may_hold_is_refused(
    odd: _Odd, folder: Path, asked: GenerationRequest, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 32064, "max_position_embeddings": 4096}))
    learner = await asyncio.to_thread(learner_for, options_for(tmp_path, odd))
    connection = Connection(odd.url, "", 5.0, 1)
    odd.pieces = (choice(32063, reason="length"),)
    server = Server(connection, await learner.learn(connection))
    assert server.learned.dialect.name == "vLLM"
    odd.pieces = (choice(32063), choice(32064, reason="length"))
    with pytest.raises(ServerLostError, match="sends a token that the model of MODEL_DIR lacks"):
        _ = [each async for each in server.generate(asked)]
    await connection.close()
