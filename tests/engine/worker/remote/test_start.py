"""What a start learns about servers, and one clear line for each that cannot be used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models.phi3_tokenizer import write_phi3_tokenizer_files

from bot.engine.interface import EngineOptions
from bot.engine.protocol import Warned
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.loaded_engine import LoadedEngine
from bot.engine.worker.remote import connection, loading
from bot.engine.worker.remote.loading import load_remote
from bot.errors import ConfigurationError, ServerUnreachableError
from tests.completion_server import CompletionServer, Faults, serving
from tests.end_to_end.stage import free_port
from tests.engine.refused_start import refused_with
from tests.engine.worker.remote.conftest import options_for


async def loaded(options: EngineOptions, on_progress: Callable[[str], None] = lambda _: None) -> LoadedEngine:
    """Load an engine in this process, which is faster than in one of its own."""
    return await asyncio.to_thread(load_remote, options, on_progress)


async def line_of(options: EngineOptions) -> str:
    with pytest.raises(ConfigurationError) as caught:
        await loaded(options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def warnings(engine: LoadedEngine) -> list[str]:
    return [event.line for event in engine.events if isinstance(event, Warned)]


def several_models(server: CompletionServer) -> None:
    server.models = ["phi", "llama"]


def no_models(server: CompletionServer) -> None:
    server.models = []


def other_tokenizer(server: CompletionServer) -> None:
    server.other_tokenizer = True


def locked(server: CompletionServer) -> None:
    server.key = "hunter2"


def redirecting(server: CompletionServer) -> None:
    server.faults = Faults(status=307, headers={"Location": "http://example.org/v1/completions"})


def without_completions(server: CompletionServer) -> None:
    server.faults = Faults(status=404)


def without_ids(server: CompletionServer) -> None:
    server.faults = Faults(status=400, error="prompt must be a string")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (several_models, "serves several models (phi, llama); set ENGINE_MODEL to one of them"),
        (no_models, "lists no models; correct ENGINE_URL, or set ENGINE_MODEL"),
        (
            other_tokenizer,
            "has another tokenizer than MODEL_DIR; set MODEL_DIR to the folder of the model that it serves",
        ),
        (locked, "refuses the key (401); correct ENGINE_KEY"),
        (redirecting, "redirects (307), which is not followed; set ENGINE_URL to where it leads"),
        (without_completions, "has no completions or no such model (404); correct ENGINE_URL or ENGINE_MODEL"),
        (without_ids, "takes no prompt of token ids"),
    ],
)
async def test_an_unusable_server_is_named_with_the_way_out(
    folder: Path, change: Callable[[CompletionServer], None], said: str
) -> None:
    async with serving(folder) as server:
        change(server)
        line = await line_of(options_for(folder, server, server_key="sk-1"))
        assert line.startswith(f"no server can be used: {server.url} ")
        assert said in line
        assert "sk-1" not in line


async def test_a_server_that_is_not_there_is_named(folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    line = await refused_with(EngineOptions("openai", folder, server_urls=(url,)))
    assert f"{url} cannot be reached" in line
    assert "start it, or correct ENGINE_URL" in line


async def test_a_start_that_may_succeed_later_says_so(folder: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with serving(folder) as server:
        options = options_for(folder, server)
        server.faults = Faults(status=500)
        assert await kind_of(options) is ServerUnreachableError
        server.faults = Faults()
        other_tokenizer(server)
        assert await kind_of(options) is ConfigurationError
        assert await kind_of(replace(options, server_urls=(server.url, nowhere))) is ServerUnreachableError


async def kind_of(options: EngineOptions) -> type[ConfigurationError]:
    """The kind of error with which an engine refuses to start."""
    engine = EngineSupervisor(options)
    with pytest.raises(ConfigurationError) as caught:
        await engine.start()
    return caught.type


async def test_a_silent_server_is_named(folder: Path) -> None:
    async with serving(folder) as server:
        server.faults.hang_after = 0
        line = await line_of(options_for(folder, server, hang_seconds=0.5))
        assert f"{server.url} does not answer within 0.5 s" in line


async def test_a_server_that_still_loads_its_model_is_waited_for(folder: Path) -> None:
    async with serving(folder) as server:
        server.loading = True
        loading_engine = asyncio.create_task(loaded(options_for(folder, server)))
        async with asyncio.timeout(20):
            while len(server.keys) < 2:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.02)
        assert not loading_engine.done()
        server.loading = False
        assert (await loading_engine).facts.engine == "openai (vLLM) phi"


async def test_one_usable_server_is_enough(folder: Path) -> None:
    async with serving(folder) as server, serving(folder) as other:
        other_tokenizer(other)
        engine = await loaded(options_for(folder, server, other))
        [line] = warnings(engine)
        assert line.startswith(f"Server left out: {other.url} has another tokenizer")
        assert engine.facts.device_name == "2 servers"


@pytest.mark.parametrize(("names", "is_warned_of"), [(("phi", "llama"), True), (("org/Phi", "models/phi.gguf"), False)])
async def test_servers_of_different_models_are_warned_of(
    folder: Path, names: tuple[str, str], is_warned_of: bool
) -> None:
    async with serving(folder) as one, serving(folder) as two:
        one.models, two.models = [names[0]], [names[1]]
        line = (
            f"The servers name their models differently ({one.url}: phi, {two.url}: llama); let them serve the same "
            "one, under one name"
        )
        assert warnings(await loaded(options_for(folder, one, two))) == ([line] if is_warned_of else [])


async def test_the_model_can_be_chosen(folder: Path) -> None:
    async with serving(folder) as server:
        several_models(server)
        engine = await loaded(options_for(folder, server, server_model="llama"))
        assert engine.facts.engine == "openai (vLLM) llama"
        assert {body["model"] for body in server.requests} == {"llama"}
        assert "has no model 'gpt', but phi, llama; correct ENGINE_MODEL" in await line_of(
            options_for(folder, server, server_model="gpt")
        )
        server.models = []
        engine = await loaded(options_for(folder, server, server_model="any", max_context_tokens=512))
        assert engine.facts.engine == "openai (vLLM) any"
        server.models = ["models/phi.gguf"]
        assert (await loaded(options_for(folder, server))).facts.engine == "openai (vLLM) phi.gguf"


async def test_the_key_is_sent(folder: Path) -> None:
    async with serving(folder) as server:
        locked(server)
        await loaded(options_for(folder, server, server_key="hunter2"))
        assert set(server.keys) == {"Bearer hunter2"}


@pytest.mark.parametrize(
    ("of_server", "of_folder", "wanted", "tokens", "cause"),
    [
        (2000, 4096, None, 2000, "the servers hold no more"),
        (8192, 4096, None, 4096, ""),
        (None, 4096, None, 4096, ""),
        (2000, None, None, 2000, "the servers hold no more"),
        (2000, 4096, 512, 512, "MAX_CONTEXT_TOKENS"),
    ],
)
async def test_the_shortest_context_counts(
    tmp_path: Path, of_server: int | None, of_folder: int | None, wanted: int | None, tokens: int, cause: str
) -> None:
    write_phi3_tokenizer_files(tmp_path)
    if of_folder:
        document = {"max_position_embeddings": of_folder, "vocab_size": 32064}
        (tmp_path / "config.json").write_text(json.dumps(document))
    async with serving(tmp_path) as server:
        server.context = of_server
        engine = await loaded(options_for(tmp_path, server, max_context_tokens=wanted))
        assert (engine.limits.context, engine.limits.cause) == (tokens, cause)


async def test_an_unknown_context_is_refused_with_the_way_out(folder: Path) -> None:
    async with serving(folder) as server:
        server.context = None
        assert "set MAX_CONTEXT_TOKENS, or copy the model's config.json" in await line_of(options_for(folder, server))
        engine = await loaded(options_for(folder, server, max_context_tokens=512))
        assert engine.limits.context == 512


async def test_a_key_across_the_internet_needs_https(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "is_public", lambda _: True)
    async with serving(folder) as server:
        options = options_for(folder, server)
        assert warnings(await loaded(options)) == []
        [line] = warnings(await loaded(replace(options, server_key="sk-1")))
        assert (
            line == f"ENGINE_KEY and what members write go to {server.url} unencrypted, across the internet; use https"
        )


@pytest.mark.parametrize(
    ("host", "public"),
    [("127.0.0.1", False), ("localhost", False), ("192.168.1.5", False), ("[fd00::1]", False), ("8.8.8.8", True)],
)
def test_only_addresses_of_the_internet_are_public(host: str, public: bool) -> None:
    assert connection.is_public(f"http://{host}:8000") is public


async def test_a_proxy_is_not_used_for_this_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with serving(folder) as server:
        await loaded(options_for(folder, server))


async def test_a_proxy_with_a_password_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("http_proxy", f"http://ada:hunter2@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        options = EngineOptions("openai", folder, server_urls=("http://10.0.0.5:8000",))
        assert "http://10.0.0.5:8000 refuses the key (401)" in await refused_with(options)
    assert heads[0].startswith(b"GET http://10.0.0.5:8000/v1/models ")
    assert b"Proxy-Authorization: Basic" in heads[0]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "ssh://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_named(folder: Path, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    line = await line_of(EngineOptions("openai", folder, server_urls=("http://10.0.0.5:8000",)))
    assert "the proxy in the environment (ALL_PROXY, HTTP_PROXY or HTTPS_PROXY) cannot be used for http://10" in line
    assert "NO_PROXY" in line


async def test_a_start_that_takes_long_says_what_it_waits_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_PROGRESS_SECONDS", 0.05)
    lines: list[Any] = []

    def on_progress(line: str) -> None:
        lines.append(line)
        if len(lines) == 4:
            server.faults.released.set()

    async with serving(folder) as server:
        server.faults.hold_after = 0
        server.faults.released = _ThreadSafeEvent(asyncio.get_running_loop())
        await loaded(options_for(folder, server), on_progress)
    # What is the same up to a colon is one stage of the start, and not a new line each time.
    assert lines[:4] == [f"Asking the servers: {server.url.removeprefix('http://')}"] * 4


class _ThreadSafeEvent(asyncio.Event):
    """An event that another thread may set."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop_of_server = loop

    def set(self) -> None:
        self._loop_of_server.call_soon_threadsafe(super().set)
