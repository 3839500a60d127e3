"""A conversation stays on its server, and only those of a lost one move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.worker.remote import servers as servers_module
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.dialects import vllm
from bot.engine.worker.remote.errors import ServerLostError
from bot.engine.worker.remote.server import Learned
from bot.engine.worker.remote.servers import Servers, rank

URLS = [f"http://server{number}:8000" for number in range(5)]


class _Learner:
    """Knows all servers but those in `lost`."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.context: int | None = None
        self.model = "phi"

    async def learn(self, connection: Connection) -> Learned:
        if connection.url in self.lost:
            raise ServerLostError(f"{connection.url} is gone")
        return Learned(self.model, vllm(), self.context)


@pytest.fixture
def learner() -> _Learner:
    return _Learner()


@pytest_asyncio.fixture
async def servers(learner: _Learner) -> AsyncIterator[Servers]:
    servers = Servers([Connection(url, "", 5.0, 1) for url in URLS], learner)
    assert await servers.learn_all() == []
    yield servers
    await servers.close()


@given(conversation=st.text(), urls=st.permutations(URLS), lost=st.sampled_from(URLS))
def test_a_lost_server_moves_its_own_conversations_only(conversation: str, urls: list[str], lost: str) -> None:
    first, second, *_ = rank(conversation, urls)
    assert rank(conversation, URLS)[0] == first
    left = [url for url in urls if url != lost]
    assert rank(conversation, left)[0] == (second if lost == first else first)


def test_conversations_are_shared_out_evenly() -> None:
    counts = dict.fromkeys(URLS, 0)
    for number in range(5000):
        counts[rank(f"{number}/0", URLS)[0]] += 1
    assert all(800 < count < 1200 for count in counts.values())


async def test_a_request_without_a_conversation_goes_where_the_fewest_run(servers: Servers) -> None:
    for _ in URLS:
        server = servers.choose("")
        assert server is not None
        servers.began(server)
    assert all(count == 1 for count in servers.running.values())


async def test_a_busy_server_is_left_alone_for_a_while(servers: Servers) -> None:
    server = servers.choose("1/0")
    assert server is not None
    servers.pause(server, 30.0)
    other = servers.choose("1/0")
    assert other is not None
    assert other is not server
    for each in servers.usable:
        if each is not server:
            servers.pause(each, 0.0)
    assert servers.choose("1/0") is None
    await servers.wait_for_busy()
    assert servers.choose("1/0") is other


async def test_a_server_is_lost_once(servers: Servers) -> None:
    lines: list[str] = []
    servers.on_warning = lines.append
    server = servers.choose("1/0")
    assert server is not None
    servers.lose(server, "gone")
    servers.lose(server, "gone")
    assert lines == ["Server left out: gone"]
    assert not servers.are_complete
    assert servers.choose("1/0") is not server


async def test_a_server_that_returns_must_hold_what_conversations_have(
    servers: Servers, learner: _Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers_module, "_RETRY_SECONDS", (0.01,))
    servers.least_context = 4096
    lines: asyncio.Queue[str] = asyncio.Queue()
    servers.on_warning = lines.put_nowait
    server = servers.usable[0]
    learner.context = 2000
    servers.lose(server, "gone")
    async with asyncio.timeout(5):
        assert await lines.get() == "Server left out: gone"
        assert await lines.get() == (
            f"Server left out: {server.connection.url} holds 2000 tokens of a conversation, which may have 4096 by "
            "now; reload the model, or give it as many"
        )
        learner.context = 4096
        assert await lines.get() == f"Server is back: {server.connection.url}"


async def test_a_server_that_returns_with_another_model_is_warned_of(
    servers: Servers, learner: _Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers_module, "_RETRY_SECONDS", (0.01,))
    lines: asyncio.Queue[str] = asyncio.Queue()
    servers.on_warning = lines.put_nowait
    learner.model = "llama"
    servers.lose(servers.usable[0], "gone")
    async with asyncio.timeout(5):
        assert [await lines.get() for _ in range(2)][1] == f"Server is back: {URLS[0]}"
        assert (await lines.get()).startswith(f"The servers name their models differently ({URLS[1]}: phi, ")
