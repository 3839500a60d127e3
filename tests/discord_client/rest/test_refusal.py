"""Which refusals pass, and how far the others reach."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from bot.discord_client.rest.refusal import RefusalKind, global_limit_seconds, refusal_of

JSON = {"Content-Type": "application/json", "Via": "1.1 google"}
HTML = {"Content-Type": "text/html"}


def refused(status: int, code: int | None = None, headers: dict[str, str] = JSON, text: str = "") -> Any:
    response: Any = SimpleNamespace(status=status, reason="Reason", headers=headers)
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    kind = discord.DiscordServerError if status >= 500 else kinds.get(status, discord.HTTPException)
    return kind(response, text if code is None else {"code": code, "message": text})


@pytest.mark.parametrize(
    "error",
    [
        refused(429, 0),
        refused(429, headers=HTML),
        refused(429, 40062),
        refused(400, 30046),
        refused(403, 40004),
        refused(500, 0),
        refused(503, headers=HTML),
        refused(401, 0),
        refused(403, headers=HTML),
        discord.RateLimited(7),
        TimeoutError(),
        json.JSONDecodeError("a body that was cut off", "", 0),
        ConnectionResetError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.is_passing


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, 50013, RefusalKind.OF_CHANNEL),
        (403, 50001, RefusalKind.OF_CHANNEL),
        (403, 50007, RefusalKind.OF_CHANNEL),
        (400, 50083, RefusalKind.OF_CHANNEL),
        (404, 10003, RefusalKind.OF_CHANNEL),
        (400, 160002, RefusalKind.OF_CHANNEL),
        (404, 10008, RefusalKind.OF_MESSAGE),
        (400, 50035, RefusalKind.OF_MESSAGE),
        (400, 50006, RefusalKind.OF_MESSAGE),
        (400, 200000, RefusalKind.OF_MESSAGE),
        (413, 40005, RefusalKind.OF_MESSAGE),
    ],
)
def test_what_is_final_reaches_a_message_or_its_channel(status: int, code: int, kind: RefusalKind) -> None:
    refusal = refusal_of(refused(status, code))
    assert refusal is not None
    assert refusal.kind is kind


@pytest.mark.parametrize(
    ("headers", "everywhere"),
    [
        (JSON, False),
        (JSON | {"X-RateLimit-Scope": "shared"}, False),
        (JSON | {"X-RateLimit-Scope": "global"}, True),
        (JSON | {"X-RateLimit-Global": "true"}, True),
        (HTML, True),
    ],
)
def test_a_rate_limit_says_how_long_and_for_whom(headers: dict[str, str], everywhere: bool) -> None:
    refusal = refusal_of(refused(429, headers=headers | {"Retry-After": "12"}))
    assert refusal is not None
    assert (refusal.retry_after, refusal.everywhere) == (12, everywhere)


def test_the_reason_is_one_line_without_pages_of_proxies() -> None:
    refusals = [
        refusal_of(refused(403, 50013, text="Missing\nPermissions")),
        refusal_of(refused(503, headers=HTML, text="<html>")),
    ]
    assert [refusal and refusal.reason for refusal in refusals] == [
        "Missing Permissions (403, code 50013)",
        "Reason (503)",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"X-RateLimit-Global": "true", "Retry-After": "3"}, 3),
        (429, {"X-RateLimit-Scope": "global", "Retry-After": "3"}, 3),
        (429, {"X-RateLimit-Scope": "shared", "Retry-After": "3"}, None),
        (200, {"X-RateLimit-Scope": "global"}, None),
    ],
)
def test_a_global_limit_is_known_from_the_response_alone(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    response: Any = SimpleNamespace(status=status, headers=headers)
    assert global_limit_seconds(response) == seconds


async def test_the_end_of_the_session_is_no_bug() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(RuntimeError) as error:
        await session.get("http://127.0.0.1")
    refusal = refusal_of(error.value)
    assert refusal is not None
    assert refusal.is_passing


def test_a_bug_is_no_refusal() -> None:
    assert refusal_of(ValueError("bug")) is None
