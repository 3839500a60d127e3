"""llama.cpp's own server as an engine, so that it can be measured like the bot's own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from completion_servers.process import HOST, ServerProcess, free_port

from bot.engine.interface import EngineFacts, FinishReason, GenerationRequest, Outcome
from bot.engine.supervisor.token_stream import TokenStream
from bot.errors import ConfigurationError

UNKNOWN_ID = -1
"""Stands for a token that the server counts but does not send, because it ends within a character."""

_LONGEST_LINE_BYTES = 2**22
"""Of a stream; the last line holds the whole prompt."""


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """What the server is started with.

    Attributes:
        program: the server's program.
        gguf: the model.
        vocabulary_size: what the model must have, because requests hold token ids.
        slots: upper bound of requests that run at once.
        context_tokens: size of the KV cache that they share.
        threads: for prompts and answers.
    """

    program: str
    gguf: Path
    vocabulary_size: int
    slots: int
    context_tokens: int
    threads: int


class LlamaServer:
    """An `Engine` for the benchmark's requests: greedy ones without stop tokens."""

    def __init__(self, options: LlamaOptions) -> None:
        self._options = options
        self._facts: EngineFacts | None = None
        port = free_port()
        self._process = ServerProcess("llama.cpp's server", self._command(port), port)
        self._session: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def facts(self) -> EngineFacts | None:
        """Facts about the loaded engine; None while it is not loaded."""
        return self._facts

    @property
    def restarts(self) -> int:
        """Always 0: a server that crashes is not restarted."""
        return 0

    async def start(self) -> EngineFacts:
        """Start the server on a free port of 127.0.0.1 and wait until it has loaded the model.

        Raises:
            ConfigurationError: it cannot be started or does not load the model; no process is left.
        """
        began = time.perf_counter()
        await self._process.start()
        self._session = aiohttp.ClientSession(
            self._process.url,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=_LONGEST_LINE_BYTES,
        )
        try:
            self._facts = await self._read_facts(time.perf_counter() - began)
        except BaseException:  # cancellation too must leave no process behind
            await self.close()
            raise
        return self._facts

    def submit(self, request: GenerationRequest) -> TokenStream:
        """Submit a request and return at once."""

        def cancel() -> None:
            task.cancel()

        stream = TokenStream(cancel)
        task = asyncio.create_task(self._answer(request, stream))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Whatever ended it: a task that is cancelled before its first step runs no line of its own.
        task.add_done_callback(lambda _: stream.finish(Outcome(FinishReason.CANCELLED)))
        return stream

    async def close(self) -> None:
        """End every request with `CANCELLED`, and the server: first politely, then by force."""
        self._facts = None
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._process.close()

    def _command(self, port: int) -> list[str]:
        options = self._options
        return [
            options.program,
            *("--model", str(options.gguf), "--host", HOST, "--port", str(port)),
            *("--threads", str(options.threads), "--threads-batch", str(options.threads)),
            *("--parallel", str(options.slots), "--ctx-size", str(options.context_tokens)),
            *("--kv-unified", "--cont-batching"),
        ]

    async def _read_facts(self, load_seconds: float) -> EngineFacts:
        assert self._session is not None  # it is started
        async with self._session.get("/props") as response:
            build = (await response.json()).get("build_info", "unknown build")
        async with self._session.get("/v1/models") as response:
            size = (await response.json())["data"][0]["meta"]["n_vocab"]
        options = self._options
        if size != options.vocabulary_size:
            raise ConfigurationError(
                f"{options.gguf} has a vocabulary of {size} tokens, and the model one of {options.vocabulary_size}; "
                "name a GGUF file of the same model"
            )
        return EngineFacts(
            engine=f"llama.cpp {build}, {options.gguf.name}",
            device="CPU",
            device_name="",
            load_seconds=load_seconds,
            loaded_at=datetime.now(UTC),
            process_id=self._process.process_id,
            context_tokens=options.context_tokens,
        )

    async def _answer(self, request: GenerationRequest, stream: TokenStream) -> None:
        """Fill a stream, and finish it unless this is cancelled."""
        try:
            async with asyncio.timeout(request.time_limit_seconds):
                async for ids in self._tokens(request):
                    stream.push(ids)
        except TimeoutError:
            stream.finish(Outcome(FinishReason.TIMEOUT))
        except (aiohttp.ClientError, ValueError) as error:
            detail = " ".join(str(error).split()) or type(error).__name__
            stream.finish(Outcome(FinishReason.FAILED, detail))
        else:
            stream.finish(Outcome(FinishReason.LENGTH))

    async def _tokens(self, request: GenerationRequest) -> AsyncIterator[tuple[int, ...]]:
        """Yield the ids of an answer as they arrive.

        Raises:
            ValueError: the server refuses the request or does not speak llama.cpp's protocol.
        """
        if self._session is None or self._facts is None:
            raise ValueError("llama.cpp's server is not loaded")
        body = {
            "prompt": list(request.prompt_ids),
            "n_predict": request.max_new_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": True,
            "stream": True,
            "return_tokens": True,
        }
        seen = 0
        async with self._session.post("/completion", json=body) as response:
            if not response.ok:
                raise ValueError(_refusal(await response.text()))
            async for line in response.content:
                if not line.startswith((b"data:", b"error:")):
                    continue
                event = _event(line)
                predicted, ids = event["tokens_predicted"], tuple(event["tokens"])
                if new := predicted - seen:
                    yield (UNKNOWN_ID,) * (new - len(ids)) + ids
                    seen = predicted
                if event["stop"]:
                    return
        raise ValueError("llama.cpp's server broke the answer off")


def _event(line: bytes) -> dict[str, Any]:
    """Return an event of the stream.

    Raises:
        ValueError: it is a refusal, or of a server that does not say which tokens it made.
    """
    kind, _, text = line.decode().partition(":")
    event: dict[str, Any] = json.loads(text)
    if kind == "error" or "error" in event:
        raise ValueError(_refusal(text))
    if not {"tokens_predicted", "tokens", "stop"} <= event.keys():
        raise ValueError("this llama.cpp server is too old: it does not say which tokens it made")
    return event


def _refusal(text: str) -> str:
    """Return what the server says against a request."""
    try:
        found = json.loads(text)
        return str(found.get("error", found)["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return text.strip() or "llama.cpp's server refused the request"
