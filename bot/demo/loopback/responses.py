"""The forms of Discord's responses."""

from __future__ import annotations

import json
import math

from aiohttp import web

from bot.demo.loopback.api_calls import Limit

_VIA = "1.1 google"
_BANNED = "<!DOCTYPE html><title>Access denied | discord.com used Cloudflare to restrict access</title>Error 1015\n"
_RESOURCE_LIMITED = 40062


def json_response(data: object, status: int = 200) -> web.Response:
    """Build a JSON response. discord.py compares the content type literally, so it has no charset."""
    return web.Response(body=json.dumps(data).encode(), status=status, content_type="application/json")


def proxy_error(status: int) -> web.Response:
    """Build an error of the proxies before Discord, which has no JSON."""
    return web.Response(status=status, text="<html>upstream failure</html>", content_type="text/html")


def rate_limited(
    limit: Limit, retry_after: float, *, code: int | None = None, message: str | None = None
) -> web.Response:
    """Build a 429.

    Source: https://discord.com/developers/docs/topics/rate-limits#exceeding-a-rate-limit

    Args:
        retry_after: in seconds. Rounded up to whole milliseconds, so that who waits that long is not early.
        code: replaces Discord's error code for this limit; also `message` its text.
    """
    whole_seconds = str(max(1, math.ceil(retry_after)))
    if limit is Limit.CLOUDFLARE:
        return web.Response(status=429, text=_BANNED, content_type="text/html", headers={"Retry-After": whole_seconds})
    body: dict[str, object] = {
        "message": message or _MESSAGES[limit],
        "retry_after": math.ceil(retry_after * 1000) / 1000,
        "global": limit is Limit.GLOBAL,
    }
    if code := code or code_of(limit):
        body["code"] = code
    response = json_response(body, 429)
    response.headers.update({"Retry-After": whole_seconds, "Via": _VIA, "X-RateLimit-Scope": _SCOPES[limit]})
    if limit is Limit.GLOBAL:
        response.headers["X-RateLimit-Global"] = "true"
    return response


def code_of(limit: Limit) -> int:
    """Return the error code that Discord's 429 carries for a limit; 0 if none."""
    return _RESOURCE_LIMITED if limit is Limit.RESOURCE else 0


_MESSAGES = {
    Limit.CHANNEL: "You are being rate limited.",
    Limit.SHARED: "The resource is being rate limited.",
    Limit.GLOBAL: "You are being rate limited.",
    Limit.RESOURCE: "Service resource is being rate limited.",
}
_SCOPES = {Limit.CHANNEL: "user", Limit.SHARED: "shared", Limit.GLOBAL: "global", Limit.RESOURCE: "shared"}
