"""Keeps the page to people on this machine who have its address.

Any web page can make its visitor's browser send requests to 127.0.0.1. So the address has a secret part; the Host
header is checked, because a foreign name can be made to point at 127.0.0.1 (DNS rebinding); and the websocket's Origin
is checked, because a browser opens a websocket for any page.
"""

from __future__ import annotations

import hmac
import secrets

from aiohttp import web
from aiohttp.typedefs import Handler

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws://{host}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class AccessGuard:
    """Checks every request of an application and adds the headers that isolate the page.

    Every route's path must begin with `/{secret}/`.

    Attributes:
        secret: the part of the address that cannot be guessed.
    """

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(24)

    def protect(self, application: web.Application) -> None:
        """Check every request of an application before its handler runs."""
        application.middlewares.append(self._check)
        application.on_response_prepare.append(_add_headers)

    def check_origin(self, request: web.Request) -> None:
        """Refuse a websocket that another page opens.

        Raises:
            web.HTTPForbidden: the Origin header is missing or not this page's.
        """
        if request.headers.get("Origin") != f"http://{request.host}":
            raise web.HTTPForbidden(text="This websocket is only for the demo page.\n")

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_this_machine(request):
            raise web.HTTPMisdirectedRequest(text="Open the demo page at 127.0.0.1.\n")
        given = request.match_info.get("secret", "")
        if not hmac.compare_digest(given.encode(), self.secret.encode()):
            raise web.HTTPNotFound
        return await handler(request)


def _is_this_machine(request: web.Request) -> bool:
    port = request.get_extra_info("sockname")[1]
    return request.host in (f"127.0.0.1:{port}", f"localhost:{port}")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    if response.content_type == "text/html":
        response.headers["Content-Security-Policy"] = _POLICY.format(host=request.host)
