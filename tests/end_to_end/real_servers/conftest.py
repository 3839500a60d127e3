"""Real servers for `ENGINE=openai`, which `make test-long` installs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil
import pytest
import pytest_asyncio
from completion_servers.installation import DEFAULT_HOME, installed
from completion_servers.kinds import KINDS, Serving
from completion_servers.process import ServerProcess, free_port

from bot.demo.small_model import SMALL_GGUF
from tests.end_to_end.stage import Stage, online

LLAMA_CPP = "llama.cpp"


class LlamaServer:
    """llama.cpp's server, and what it says about itself."""

    def __init__(self, process: ServerProcess) -> None:
        self.url = process.url
        self._process = process
        self._http = httpx.AsyncClient(base_url=process.url, timeout=60, trust_env=False)

    async def kill(self) -> None:
        """Kill it, as a machine that fails does."""
        psutil.Process(self._process.process_id).kill()
        await self._process.wait()

    async def close(self) -> None:
        await self._http.aclose()
        await self._process.close()

    async def running(self) -> list[dict[str, Any]]:
        """Its slots that generate now."""
        slots: list[dict[str, Any]] = (await self._http.get("/slots")).json()
        return [slot for slot in slots if slot["is_processing"]]

    async def is_idle(self) -> bool:
        return not await self.running()

    async def total(self, name: str) -> int:
        """One of its counters."""
        lines = (await self._http.get("/metrics")).text.splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith(f"llamacpp:{name} "))

    async def generate(self, prompt_ids: tuple[int, ...], tokens: int) -> list[int]:
        """What it generates by its own protocol, greedily."""
        body = {"prompt": list(prompt_ids), "n_predict": tokens, "temperature": 0, "return_tokens": True}
        ids: list[int] = (await self._http.post("/completion", json=body)).json()["tokens"]
        return ids


class StartLlama(Protocol):
    def __call__(self, port: int = 0) -> AbstractAsyncContextManager[LlamaServer]: ...


@pytest.fixture(scope="session")
def start_llama() -> StartLlama:
    """Starts llama.cpp's server with the small model; tests are skipped where it is not installed."""
    kind, gguf = KINDS[LLAMA_CPP], DEFAULT_HOME / SMALL_GGUF
    environment = installed(LLAMA_CPP, kind, DEFAULT_HOME)
    if environment is None or not gguf.exists():
        pytest.skip("llama.cpp's server is not installed: run scripts/completion_server.py llama.cpp --install-only")

    @asynccontextmanager
    async def start(port: int = 0) -> AsyncIterator[LlamaServer]:
        # One thread: threads that share a core with other tests wait for each other.
        serving = Serving(gguf, port or free_port(), parallel=2, context_tokens=4096, threads=1)
        process = ServerProcess(kind.title, kind.command(environment, serving), serving.port, kind.variables(serving))
        await process.start()
        server = LlamaServer(process)
        try:
            yield server
        finally:
            await server.close()

    return start


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def llama(start_llama: StartLlama) -> AsyncIterator[LlamaServer]:
    """A server for all tests that do not break it."""
    async with start_llama() as server:
        yield server


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage(small_model_dir: Path, llama: LlamaServer) -> AsyncIterator[Stage]:
    """A bot that is online and asks that server."""
    async with online(small_model_dir, engine="openai", engine_url=llama.url, max_new_tokens=700) as stage:
        yield stage
