"""Injected refusals, broken connections and outages of REST."""

from __future__ import annotations

import asyncio
import errno
import time

import aiohttp
import pytest

from bot.demo.loopback import ConnectionFault, EventKind, Limit, LoopbackDiscord, Outage
from tests.demo.loopback.client import Answer, RawClient, raw_client
from tests.demo.loopback.conftest import eventually
from tests.demo.loopback.sample_bot import SampleBot

SEND = "/channels/*/messages"


def contents(server: LoopbackDiscord) -> list[str]:
    return [str(one["content"]) for one in server.messages(server.people[0].id, server.channels[0].id)]


async def injected(server: LoopbackDiscord, client: RawClient, status: int, **details: object) -> Answer:
    server.fail_next("POST", SEND, status, **details)  # type: ignore[arg-type]
    return await client.send(server.channels[0].id)


async def test_every_kind_of_429_looks_like_discords(server: LoopbackDiscord) -> None:
    async with raw_client(server) as client:
        answers = {
            limit: await injected(server, client, 429, retry_after=1.2345, limit=limit)
            for limit in Limit
            if limit is not Limit.CLOUDFLARE
        }
        for answer in answers.values():
            assert answer.status == 429
            assert answer.headers["Via"]
            assert answer.headers["Retry-After"] == "2"
            assert answer.body["retry_after"] == 1.235
        assert [answers[limit].headers["X-RateLimit-Scope"] for limit in answers] == [
            "user",
            "shared",
            "global",
            "shared",
        ]
        assert [answers[limit].body["global"] for limit in answers] == [False, False, True, False]
        assert answers[Limit.RESOURCE].code == 40062
        assert [call.code for call in server.calls] == [0, 0, 0, 40062]
        assert (await injected(server, client, 429, code=20016)).code == 20016
        banned = await injected(server, client, 429, limit=Limit.CLOUDFLARE)
        assert "Via" not in banned.headers
        assert banned.headers["Content-Type"].startswith("text/html")
    assert contents(server) == []


async def test_an_injected_error_carries_the_code_and_the_message(server: LoopbackDiscord) -> None:
    async with raw_client(server) as client:
        text = "Maximum number of edits to messages older than 1 hour reached."
        refused = await injected(server, client, 400, code=30046, message=text)
        assert (refused.status, refused.body) == (400, {"code": 30046, "message": text})
        assert server.calls[-1].code == 30046
        plain = await injected(server, client, 503)
        assert isinstance(plain.body, str)
        with_json = await injected(server, client, 503, code=130000, message="API resource is currently overloaded.")
        assert (with_json.status, with_json.code) == (503, 130000)


async def test_a_fault_lasts_until_it_is_ended(server: LoopbackDiscord) -> None:
    async with raw_client(server) as client:
        server.fail_next("*", "*", 500, times=None)
        assert [(await client.call("GET", "/users/@me")).status for _ in range(3)] == [500, 500, 500]
        server.end_faults()
        assert (await client.call("GET", "/users/@me")).status == 200


@pytest.mark.parametrize(
    ("fault", "is_sent"),
    [
        (ConnectionFault.RESET, False),
        (ConnectionFault.RESET_AFTER, True),
        (ConnectionFault.DISCONNECT, False),
        (ConnectionFault.DISCONNECT_AFTER, True),
    ],
)
async def test_a_connection_breaks_before_or_after_the_work(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture, fault: ConnectionFault, is_sent: bool
) -> None:
    is_reset = fault in (ConnectionFault.RESET, ConnectionFault.RESET_AFTER)
    async with raw_client(server) as client:
        server.break_next("POST", SEND, fault)
        with pytest.raises(aiohttp.ClientConnectionError) as broken:
            await client.send(server.channels[0].id, "one")
        assert isinstance(broken.value, aiohttp.ClientOSError if is_reset else aiohttp.ServerDisconnectedError)
        if isinstance(broken.value, aiohttp.ClientOSError):
            assert broken.value.errno == errno.ECONNRESET
        assert contents(server) == (["one"] if is_sent else [])
        assert (server.calls[-1].status, server.calls[-1].is_injected) == (0, True)
        assert (await client.send(server.channels[0].id, "two")).status == 200
    assert not caplog.records


async def test_a_nonce_sends_a_message_once_although_its_response_was_lost(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        server.break_next("POST", SEND, ConnectionFault.RESET_AFTER)
        with pytest.raises(aiohttp.ClientOSError):
            await client.send(channel, "once", nonce="1", enforce_nonce=True)
        assert (await client.send(channel, "once", nonce="1", enforce_nonce=True)).status == 200
    assert contents(server) == ["once"]


@pytest.mark.parametrize("fault", [ConnectionFault.HANG, ConnectionFault.HANG_AFTER])
async def test_a_hanging_call_is_reset_when_its_fault_ends(server: LoopbackDiscord, fault: ConnectionFault) -> None:
    async with raw_client(server) as client:
        server.break_next("POST", SEND, fault)
        call = asyncio.create_task(client.send(server.channels[0].id, "one"))
        await server.wait_for(lambda: server.calls, 10)
        done, _ = await asyncio.wait([call], timeout=0.1)
        assert not done
        server.end_faults()
        with pytest.raises(aiohttp.ClientOSError):
            await call
    assert contents(server) == (["one"] if fault is ConnectionFault.HANG_AFTER else [])


async def test_closing_the_server_ends_hanging_calls() -> None:
    server = LoopbackDiscord()
    await server.start()
    async with raw_client(server) as client:
        server.break_next("*", "*", ConnectionFault.HANG, times=None)
        calls = [asyncio.create_task(client.call("GET", "/users/@me")) for _ in range(3)]
        await server.wait_for(lambda: len(server.calls) == 3, 10)
        start = time.monotonic()
        await server.close()
        assert time.monotonic() - start < 5
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, aiohttp.ClientConnectionError)


async def test_a_slow_answer_comes_late_and_its_work_is_done_at_once(server: LoopbackDiscord) -> None:
    subscription = server.subscribe()
    async with raw_client(server) as client:
        server.break_next("POST", SEND, ConnectionFault.SLOW, seconds=0.4)
        start = time.monotonic()
        call = asyncio.create_task(client.send(server.channels[0].id, "one"))
        assert (await anext(subscription)).kind is EventKind.MESSAGE
        assert time.monotonic() - start < 0.3
        assert (await call).status == 200
        assert time.monotonic() - start >= 0.4


async def test_an_outage_lasts_until_it_ends(server: LoopbackDiscord) -> None:
    async with raw_client(server) as client:
        async with server.outage(gateway=False):
            for _ in range(2):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await client.send(server.channels[0].id)
        async with server.outage(rest=Outage.UNAVAILABLE):
            assert (await client.send(server.channels[0].id)).status == 503
        await server.start_outage(rest=Outage.HANG, gateway=False)
        call = asyncio.create_task(client.send(server.channels[0].id))
        await server.wait_for(lambda: server.calls[-1].status == 0, 10)
        server.end_outage()
        with pytest.raises(aiohttp.ClientOSError):
            await call
        assert contents(server) == []
        assert (await client.send(server.channels[0].id)).status == 200
    assert server.invalid_requests == 0


async def test_downloads_fail_with_faults_of_their_own_and_in_an_outage(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    await server.send(ada, channel, "", files=[("note.txt", b"42")])
    url = server.messages(ada, channel)[0]["attachments"][0]["url"]
    async with aiohttp.ClientSession() as session:
        server.fail_next("GET", "/cdn/*", 404)
        async with session.get(url) as response:
            assert response.status == 404
        async with server.outage():
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(url)
        async with session.get(url) as response:
            assert await response.read() == b"42"


async def test_the_gateway_refuses_connections_in_an_outage(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    async with server.outage():
        assert not server.bot_online
        with pytest.raises(aiohttp.ClientConnectionError):
            async with aiohttp.ClientSession() as session:
                await session.ws_connect(server.gateway_url)
        await server.send(ada, channel, f"<@{server.bot.id}> are you there?")
    await eventually(lambda: bot.saw("resumed"))
    assert len(bot.saw("message")) == 1


async def test_events_are_lost_doubled_and_delayed(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, channel, mention = server.people[0].id, server.channels[0].id, f"<@{server.bot.id}>"

    def seen() -> list[str]:
        return [message.content.removeprefix(mention) for message in bot.saw("message")]

    server.lose_events("MESSAGE_CREATE")
    server.double_events("MESSAGE_*")
    server.delay_events("MESSAGE_CREATE", 0.3)
    for name in ("lost", "twice", "late", "last"):
        await server.send(ada, channel, mention + name)
    await eventually(lambda: len(seen()) == 4)
    assert seen() == ["twice", "twice", "last", "late"]
    await server.drop_gateway()
    await eventually(lambda: bot.saw("resumed"))
    assert "lost" not in seen()
    server.lose_events("*", times=None)
    await server.send(ada, channel, mention + "lost too")
    server.end_faults()
    await server.send(ada, channel, mention + "heard")
    await eventually(lambda: seen()[-1] == "heard")
    assert len(seen()) == 5
