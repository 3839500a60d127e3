"""Discord's limits: who may call how often, and what the others get."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.demo.loopback import UNLIMITED, ApiCall, CallKind, Limit, LoopbackDiscord, RateLimits
from bot.demo.loopback.rate_limits import RateLimiter
from tests.demo.loopback.client import raw_client
from tests.demo.loopback.conftest import running
from tests.demo.loopback.sample_bot import SampleBot


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_kind_of_call_has_five_in_any_five_seconds_for_each_channel() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(), clock=clock)
    for kind in (CallKind.SEND, CallKind.EDIT, CallKind.DELETE, CallKind.TYPING, CallKind.WEBHOOK):
        clock.now += 10
        for _ in range(5):
            assert limiter.take(kind, "1") is None
            clock.now += 0.5
        refused = limiter.take(kind, "1")
        assert refused is not None
        assert refused.limit is Limit.CHANNEL
        assert refused.retry_after == pytest.approx(2.5)
        assert limiter.take(kind, "2") is None, "another channel"
        clock.now += refused.retry_after - 0.01
        assert limiter.take(kind, "1") is not None, "still too early"
        clock.now += 0.011
        assert limiter.take(kind, "1") is None
        assert limiter.take(kind, "1") is not None, "the window slides: one place, not five"


def test_fifty_requests_a_second_in_all_and_responses_to_interactions_beside_them() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(), clock=clock)
    for number in range(50):
        assert limiter.take(CallKind.SEND, str(number)) is None
        clock.now += 0.01
    refused = limiter.take(CallKind.OTHER, "")
    assert refused is not None
    assert refused.limit is Limit.GLOBAL
    assert refused.retry_after == pytest.approx(0.5)
    assert limiter.take(CallKind.CALLBACK, "token") is None
    assert limiter.take(CallKind.WEBHOOK, "token") is None
    clock.now += 0.501
    assert limiter.take(CallKind.SEND, "new") is None


def test_an_invalid_request_counts_for_ten_minutes_unless_its_limit_is_shared() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(invalid_requests=3), clock=clock)
    for status, limit in ((200, None), (404, None), (429, Limit.SHARED), (401, None), (403, None)):
        limiter.answered(status, limit)
    assert limiter.invalid_requests == 2
    assert limiter.take(CallKind.OTHER, "") is None
    limiter.answered(429, Limit.CHANNEL)
    refused = limiter.take(CallKind.CALLBACK, "token")
    assert refused is not None
    assert refused.limit is Limit.CLOUDFLARE
    assert refused.retry_after == pytest.approx(600)
    limiter.answered(429, Limit.CLOUDFLARE)
    clock.now += 100
    limiter.answered(403, None)
    clock.now += 501
    assert limiter.take(CallKind.OTHER, "") is None, "one is left of four"
    clock.now += 100
    assert limiter.invalid_requests == 0
    assert limiter.take(CallKind.OTHER, "") is None


def test_more_invalid_requests_than_a_ban_needs_prolong_it() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(invalid_requests=2), clock=clock)
    for _ in range(4):
        limiter.answered(403, None)
        clock.now += 10
    refused = limiter.take(CallKind.OTHER, "")
    assert refused is not None
    assert refused.retry_after == pytest.approx(580)


async def test_a_sixth_message_and_a_sixth_edit_are_refused_as_discord_does(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        sent = [await client.send(channel) for _ in range(6)]
        assert [answer.status for answer in sent] == [200] * 5 + [429]
        refused = sent[-1]
        assert refused.headers["Via"]
        assert refused.headers["X-RateLimit-Scope"] == "user"
        assert int(refused.headers["Retry-After"]) in (4, 5)
        assert refused.body["message"] == "You are being rate limited."
        assert refused.body["global"] is False
        assert 4 < refused.body["retry_after"] <= 5
        message = int(sent[0].body["id"])
        edited = [await client.edit(channel, message, f"edit {number}") for number in range(6)]
        assert [answer.status for answer in edited] == [200] * 5 + [429]
        assert (await client.send(server.channels[1].id)).status == 200
        for _ in range(5):
            assert (await client.call("POST", f"/channels/{channel}/typing")).status == 204
        assert (await client.call("POST", f"/channels/{channel}/typing")).status == 429
        for answer in sent[:5]:
            path = f"/channels/{channel}/messages/{answer.body['id']}"
            assert (await client.call("DELETE", path)).status == 204
    assert server.invalid_requests == 3


async def test_who_waits_as_told_is_let_in() -> None:
    async with LoopbackDiscord(limits=RateLimits(seconds=0.3)) as server, raw_client(server) as client:
        channel = server.channels[0].id
        for _ in range(5):
            await client.send(channel)
        refused = await client.send(channel)
        await asyncio.sleep(refused.body["retry_after"])
        assert (await client.send(channel)).status == 200


async def test_the_limit_for_all_requests_says_that_it_is_global(server: LoopbackDiscord) -> None:
    async with raw_client(server) as client:
        answers = await asyncio.gather(*(client.call("GET", "/users/@me") for _ in range(60)))
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) == 10
    assert refused[0].headers["X-RateLimit-Global"] == "true"
    assert refused[0].headers["X-RateLimit-Scope"] == "global"
    assert refused[0].headers["Via"]
    assert refused[0].body["global"] is True
    assert 0 < refused[0].body["retry_after"] <= 1


async def test_too_many_invalid_requests_are_a_ban_by_cloudflare() -> None:
    async with LoopbackDiscord(limits=RateLimits(invalid_requests=3)) as server, raw_client(server) as client:
        server.set_permissions(server.bot.id, server.channels[0].id, deny=["send_messages"])
        for _ in range(3):
            assert (await client.send(server.channels[0].id)).status == 403
        banned = await client.call("GET", "/users/@me")
        assert banned.status == 429
        assert "Via" not in banned.headers
        assert banned.headers["Content-Type"].startswith("text/html")
        assert server.calls[-1].limit is Limit.CLOUDFLARE
        assert server.invalid_requests == 3


async def test_followups_are_limited_by_their_token_and_not_by_their_channel(
    server: LoopbackDiscord, bot: SampleBot
) -> None:
    channel = server.channels[0].id
    await server.invoke(server.people[0].id, channel, ["secret"])
    callback = await server.wait_for(lambda: [one for one in server.calls if one.kind is CallKind.CALLBACK], 10)
    token = callback[0].path.split("/")[3]
    async with raw_client(server) as client:
        path = f"/webhooks/{server.bot.id}/{token}"
        statuses = [(await client.call("POST", f"{path}?wait=true", {"content": "more"})).status for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert (await client.call("PATCH", f"{path}/messages/@original", {"content": "x"})).status == 429
        assert (await client.send(channel)).status == 200


async def test_people_are_not_limited(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    for number in range(100):
        await server.edit(ada, channel, await server.send(ada, channel, str(number)), "edited")
    assert len(server.messages(ada, channel)) == 100
    assert server.calls == []


async def test_without_limits_everything_is_taken() -> None:
    async with LoopbackDiscord(limits=UNLIMITED) as server, raw_client(server) as client:
        answers = await asyncio.gather(*(client.send(server.channels[0].id) for _ in range(60)))
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("announces", [True, False])
async def test_discord_py_keeps_announced_limits_by_itself(announces: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    limits = RateLimits(seconds=1)
    async with (
        LoopbackDiscord(limits=limits, announce_limits=announces) as server,
        running(SampleBot(), server) as bot,
    ):
        channel = bot.get_partial_messageable(server.channels[0].id)
        await asyncio.gather(*(channel.send(str(number)) for number in range(12)))
        refused = server.call_counts()[CallKind.SEND, 429]
        assert len(server.messages(server.people[0].id, channel.id)) == 12
    assert (refused == 0) is announces


async def test_every_call_is_recorded_with_its_route_and_outcome(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        sent = await client.send(channel, "four", nonce="n1")
        await client.edit(channel, int(sent.body["id"]), "three")
        await client.edit(channel, 1)
        server.fail_next("GET", "/users/@me", 429, limit=Limit.SHARED)
        await client.call("GET", "/users/@me")
    first, second, third, last = server.calls
    assert (first.kind, first.route, first.status) == (CallKind.SEND, "POST /channels/{id}/messages", 200)
    assert (first.nonce, first.content_length) == ("n1", 4)
    assert (second.kind, second.route) == (CallKind.EDIT, "PATCH /channels/{id}/messages/{id}")
    assert (third.status, third.code, third.is_injected) == (404, 10008, False)
    assert (last.limit, last.is_injected, last.content_length) == (Limit.SHARED, True, None)
    assert server.call_counts()[CallKind.EDIT, 404] == 1
    followup = ApiCall("PATCH", "/webhooks/12/secret.token/messages/@original", 200, 0.0)
    assert followup.route == "PATCH /webhooks/{id}/{token}/messages/@original"
