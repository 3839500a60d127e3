"""Errors that a test injects into REST calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase

from aiohttp import web


@dataclass(slots=True)
class Fault:
    """An error for the next calls that match. See `LoopbackDiscord.fail_next`."""

    method: str
    path_glob: str
    status: int
    times: int
    retry_after: float

    def matches(self, method: str, path: str) -> bool:
        """Whether a call gets this error."""
        return self.method in (method, "*") and fnmatchcase(path, self.path_glob)

    def response(self) -> web.Response:
        """Return the response that replaces the real one."""
        if self.status == 429:
            return rate_limit_response(self.retry_after)
        if self.status >= 500:
            return web.Response(status=self.status, text="<html>upstream failure</html>", content_type="text/html")
        return json_response({"message": f"{self.status}: injected by a test", "code": 0}, self.status)


class Faults(list[Fault]):
    """The faults that are still to come, oldest first."""

    def next_response(self, method: str, path: str) -> web.Response | None:
        """Return the error for a call, and count it; None if the call is to succeed."""
        for fault in self:
            if fault.matches(method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self.remove(fault)
                return fault.response()
        return None


def rate_limit_response(retry_after: float) -> web.Response:
    """Build a 429 as Discord sends it. Without `Via`, discord.py takes it for a ban by Cloudflare."""
    response = json_response(
        {"message": "You are being rate limited.", "retry_after": retry_after, "global": False}, 429
    )
    response.headers.update({"Retry-After": str(max(1, round(retry_after))), "Via": "1.1 google"})
    return response


def json_response(data: object, status: int = 200) -> web.Response:
    """Build a JSON response. discord.py compares the content type literally, so it has no charset."""
    return web.Response(body=json.dumps(data).encode(), status=status, content_type="application/json")
