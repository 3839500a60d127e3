"""A server of OpenAI's completions protocol on 127.0.0.1, in the dialects of real ones, which can fail like them.

Its model knows one long text, and goes on in it from where a prompt ends after its last control token.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from bot.prompting.exact_text import ExactText
from bot.prompting.tokenizer import Tokenizer, read_tokenizer

DialectName = Literal["vllm", "llama.cpp", "text"]
DIALECTS: tuple[DialectName, ...] = ("vllm", "llama.cpp", "text")
Json = dict[str, Any]

ANSWER = " Grüße aus Köln: 你好 🦙, and </s> or <|user|> are only words here. " + " ".join(
    f"{number} is the number after {number - 1}." for number in range(1, 80)
)
MODEL = "phi"


@dataclass
class Faults:
    """What goes wrong, from now on.

    Attributes:
        status: answered instead of an answer, with `error` as its message.
        headers: of that response.
        die_after: tokens of an answer, after which the connection breaks.
        hang_after: tokens of an answer, after which nothing is ever sent again, on any connection.
        garbage_after: tokens of an answer, after which something else is sent.
        error_after: tokens of an answer, after which the stream reports an error, with `error_code`.
        end_after: tokens of an answer, after which the stream ends without a word.
        hold_after: tokens of an answer, after which it waits until `released` is set.
    """

    status: int | None = None
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    die_after: int | None = None
    hang_after: int | None = None
    garbage_after: int | None = None
    error_after: int | None = None
    error_code: int = 500
    end_after: int | None = None
    hold_after: int | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)


class CompletionServer:
    """The server; `serving` starts one.

    Attributes:
        url: of a running server.
        faults: change them at any time.
        requests: the bodies of all requests for completions, the probes of the start among them.
        keys: the `Authorization` headers of all requests.
        closed: set once an answer was left by its reader.
        key: what it asks for; None for nothing.
        models: what `/v1/models` lists.
        context: what it says of its context; None if it does not.
        answer: the text that its model knows.
        other_tokenizer: whether its ids mean something else.
        cached: tokens of a prompt that it finds in its cache.
        loading: whether it answers nothing yet.
        poison: a token that breaks the connection of whoever sends it.
    """

    def __init__(self, folder: Path, dialect: DialectName, port: int = 0) -> None:
        definition = read_tokenizer(folder)
        self._tokenizer = Tokenizer(definition)
        self._text = ExactText(definition)
        self._stop_id = next(
            token.id for token in self._tokenizer.control_tokens if token.text in ("<|end|>", "<|im_end|>")
        )
        self._dialect = dialect
        self._runner: web.AppRunner | None = None
        self._hanging = False
        self._port = port
        self.faults = Faults()
        self.requests: list[Json] = []
        self.keys: list[str | None] = []
        self.closed = asyncio.Event()
        self.key: str | None = None
        self.models: list[str] = [MODEL]
        self.context: int | None = 2000
        self.answer = ANSWER
        self.other_tokenizer = False
        self.poison = -1
        self.loading = False
        self.cached = 2

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def answers(self) -> list[Json]:
        """The requests for more than the tokens of a probe."""
        return [body for body in self.requests if body["max_tokens"] > 2]

    async def start(self) -> None:
        """Listen, on the same port as before if this is a restart."""
        application = web.Application(client_max_size=1 << 26)
        application.router.add_get("/v1/models", self._list_models)
        application.router.add_post("/v1/completions", self._complete)
        if self._dialect != "text":
            application.router.add_post("/tokenize", self._tokenize)
        if self._dialect == "llama.cpp":
            application.router.add_get("/props", self._properties)
        self._hanging = False
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Break all connections and refuse new ones."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            if runner.server is not None:
                for connection in list(runner.server.connections):
                    if connection.transport is not None:
                        connection.transport.abort()
            await runner.cleanup()

    async def _checked(self, request: web.Request) -> None:
        if self._hanging:
            await asyncio.Event().wait()
        self.keys.append(request.headers.get("Authorization"))
        if self.loading:
            raise web.HTTPServiceUnavailable(text=json.dumps({"error": {"message": "Loading model", "code": 503}}))
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized(text="{}")

    async def _list_models(self, request: web.Request) -> web.Response:
        await self._checked(request)
        length = {"max_model_len": self.context} if self.context and self._dialect != "llama.cpp" else {}
        return web.json_response({"object": "list", "data": [{"id": name, **length} for name in self.models]})

    async def _properties(self, request: web.Request) -> web.Response:
        await self._checked(request)
        return web.json_response({"default_generation_settings": {"n_ctx": self.context}})

    async def _tokenize(self, request: web.Request) -> web.Response:
        await self._checked(request)
        body = await request.json()
        text = body["prompt" if self._dialect == "vllm" else "content"]
        ids = self._tokenizer._full.encode(text, add_special_tokens=False).ids  # as servers do, control tokens too
        return web.json_response({"tokens": [id + 1 for id in ids] if self.other_tokenizer else ids})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        await self._checked(request)
        body: Json = await request.json()
        self.requests.append(body)
        faults = self.faults
        if self.poison in body["prompt"]:
            assert request.transport is not None
            request.transport.abort()
        if faults.status is not None:
            error = {"error": {"message": faults.error, "code": faults.status}}
            return web.json_response(error, status=faults.status, headers=faults.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            async for event in self._events(body, request):
                await response.write(event)
        except (asyncio.CancelledError, ConnectionError):
            self.closed.set()
            raise
        return response

    async def _events(self, body: Json, request: web.Request) -> AsyncIterator[bytes]:
        ids = self._continue(body["prompt"])[: body["max_tokens"]]
        reason = "stop" if ids[-1:] == [self._stop_id] else "length"
        named = {"model": self.models[0]} if self._dialect == "llama.cpp" else {}  # whatever was asked for
        if self._dialect == "llama.cpp" and body.get("return_progress"):
            progress = {"total": len(body["prompt"]), "cache": self.cached, "processed": self.cached, "time_ms": 0}
            empty = {"index": 0, "text": "", "logprobs": None, "finish_reason": None}
            yield b":\n\n" + _event({**named, "choices": [empty], "prompt_progress": progress})
        for count, chunk in enumerate(self._chunks(ids)):
            await self._fail_at(count, request)
            if self.faults.garbage_after == count:
                yield b"<html>This is no stream</html>\n\n"
            if self.faults.error_after == count:
                yield _event({"error": {"message": "out of memory", "code": self.faults.error_code}})
                return
            if self.faults.end_after == count:
                return
            is_last = self._dialect == "vllm" and count == len(ids) - 1
            yield _event({**named, "choices": [{"index": 0, "finish_reason": reason if is_last else None, **chunk}]})
        if self._dialect != "vllm":
            yield _event({**named, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": reason}]})
        yield b"data: [DONE]\n\n"

    async def _fail_at(self, count: int, request: web.Request) -> None:
        faults = self.faults
        if faults.die_after == count:
            assert request.transport is not None
            request.transport.abort()
        if faults.hang_after == count:
            self._hanging = True
            await asyncio.Event().wait()
        if faults.hold_after == count:
            await faults.released.wait()

    def _continue(self, prompt: list[int]) -> list[int]:
        """The ids that follow a prompt, up to the stop token."""
        controls = [index for index, id in enumerate(prompt) if id in self._tokenizer.control_ids]
        begun = b"".join(map(self._text.bytes_of, prompt[controls[-1] + 1 if controls else 0 :])).decode()
        if not self.answer.startswith(begun):
            begun = ""
        return [*self._text.encode(self.answer[len(begun) :]), self._stop_id]

    def _chunks(self, ids: list[int]) -> Iterator[Json]:
        """What each event holds; a token that ends within a character has none but in vLLM."""
        held = b""
        for id in ids:
            held += self._text.bytes_of(id)
            try:
                text, is_whole = held.decode(), True
            except UnicodeDecodeError:
                text, is_whole = "", False
            if self._dialect == "vllm":
                yield {"text": text, "token_ids": [id]}
            elif is_whole and self._dialect == "llama.cpp":
                yield {"text": text, "logprobs": {"content": [{"id": id, "logprob": -0.1}]}}
            elif text:
                yield {"text": text, "logprobs": None}
            held = b"" if is_whole else held


def _event(event: Json) -> bytes:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


@asynccontextmanager
async def serving(folder: Path, dialect: DialectName = "vllm") -> AsyncIterator[CompletionServer]:
    """Run a server with the tokenizer of a folder until the block ends."""
    server = CompletionServer(folder, dialect)
    await server.start()
    try:
        yield server
    finally:
        server.faults.released.set()
        await server.stop()
