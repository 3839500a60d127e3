"""Discord's REST API: simcord's routes, with corrections where they differ from Discord."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from simcord.backend import serializers
from simcord.backend.errors import BackendError
from simcord.http import routes  # noqa: F401  importing it registers the routes
from simcord.http.router import RouteNotImplemented, UnsupportedField, dispatch

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.events import Event, EventKind
from bot.demo.loopback.faults import Faults, json_response
from bot.demo.loopback.gateway_events import application_flags
from bot.demo.loopback.message_checks import check_message, check_uploads, precise_error
from bot.demo.loopback.nonces import SentNonces
from bot.demo.loopback.registered_commands import flat_commands
from bot.demo.loopback.request_body import RequestBody, read_body
from bot.demo.loopback.values import ApiCall, Payload

_log = logging.getLogger(__name__)

_PREFIX = "/api/v10"
_CALLBACK = re.compile(r"/interactions/(\d+)/[^/]+/callback")
_BY_TOKEN_IN_PATH = re.compile(r"/interactions/\d+/[^/]+/callback|/webhooks/\d+/.+")
_WEBHOOK_EXECUTION = re.compile(r"/webhooks/\d+/[^/]+")
_MESSAGES = re.compile(r"/channels/\d+/messages")
_COMMANDS = re.compile(r"/applications/\d+(/guilds/\d+)?/commands")
_DEFAULT_LIMIT = 50
_APPLICATION = ("/oauth2/applications/@me", "/applications/@me")


class RestApi:
    """Serves REST calls and downloads of attachments.

    Attributes:
        calls: every call that was answered, in order.
        faults: errors to inject.
        gateway_url: the address of the gateway, set before the first call.
    """

    def __init__(self, state: DiscordState) -> None:
        self.gateway_url = ""
        self.calls: list[ApiCall] = []
        self.faults = Faults()
        self._state = state
        self._nonces = SentNonces()

    def add_routes(self, application: web.Application) -> None:
        """Serve everything below `/api/v10` and `/cdn`."""
        application.router.add_route("*", _PREFIX + "/{path:.*}", self._serve)
        application.router.add_get("/cdn/{path:.*}", self._download)

    async def _serve(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        path = request.rel_url.raw_path.removeprefix(_PREFIX)
        response = self.faults.next_response(request.method, path) or await self._answer(request, path)
        self.calls.append(ApiCall(request.method, path, response.status, at))
        self._state.hub.changed()
        return response

    async def _download(self, request: web.Request) -> web.Response:
        stored = self._state.cdn.get(request.rel_url.raw_path.removeprefix("/cdn"))
        if stored is None:
            return web.Response(status=404)
        content, content_type = stored
        # An uploaded page must not run with this server's origin.
        headers = {
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=content, content_type=content_type, headers=headers)

    async def _answer(self, request: web.Request, path: str) -> web.Response:
        """Answer a call.

        A route that neither this server nor simcord models gets a 501, and a line in the log. discord.py raises that
        at once, except for interactions and webhooks, where it retries every error from 500 up for 25 s.
        """
        by_token_in_path = _BY_TOKEN_IN_PATH.fullmatch(path)
        if not by_token_in_path and request.headers.get("Authorization") != f"Bot {self._state.token}":
            return json_response({"message": "401: Unauthorized", "code": 0}, 401)
        try:
            data = self._do(request, path, await read_body(request))
        except (RouteNotImplemented, UnsupportedField) as error:
            _log.error("Unsupported by the loopback Discord: %s", error.message)
            return json_response(error.to_json(), 501)
        except BackendError as error:
            error = precise_error(error)
            return json_response(error.to_json(), error.status)
        except Exception as error:  # noqa: BLE001  a bug here must not look like an outage of Discord
            _log.exception("The loopback Discord failed: method=%s path=%s", request.method, path)
            return json_response({"message": f"{type(error).__name__}: {error}", "code": 0}, 501)
        return web.Response(status=204) if data is None else json_response(data)

    def _do(self, request: web.Request, path: str, body: RequestBody) -> Any:
        if path in ("/gateway", "/gateway/bot"):
            return self._gateway_facts()
        check_uploads(body.uploads)
        check_message(self._state.backend, request.method, path, body)
        reason = unquote(request.headers.get("X-Audit-Log-Reason", "")) or None
        if path in _APPLICATION:
            return self._application(self._dispatch(request.method, "/oauth2/applications/@me", body))
        if _MESSAGES.fullmatch(path) and request.method == "POST" and isinstance(body.data, dict):
            return self._send_once(path, body, reason)
        if _MESSAGES.fullmatch(path) and "after" in request.query:
            return self._history_after(path, request.query)
        data = self._dispatch(request.method, path, body, params=request.query, reason=reason)
        self._publish(request.method, path)
        return data if _wants_body(path, request.query) else None

    def _dispatch(
        self,
        method: str,
        path: str,
        body: RequestBody | None = None,
        *,
        params: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> Any:
        """Pass a call to simcord."""
        body = body or RequestBody()
        return dispatch(
            self._state.backend,
            method,
            path,
            json=body.data,
            params=dict(params or {}),
            files=body.uploads,
            reason=reason,
            message_content_access="message_content" in self._state.granted_intents,
        )

    def _send_once(self, path: str, body: RequestBody, reason: str | None) -> Payload:
        """Send a message unless its nonce was sent before. simcord has no nonces."""
        earlier = self._nonces.earlier(self._state.backend, body.data)
        if earlier is not None:
            sent = self._dispatch("GET", "/channels/{}/messages/{}".format(*earlier))
        else:
            sent = self._dispatch("POST", path, body, reason=reason)
            self._nonces.remember(body.data, sent)
        return {**sent, "nonce": body.data.get("nonce")}

    def _history_after(self, path: str, query: Mapping[str, str]) -> list[Payload]:
        """Return the messages right after one, newest first. simcord returns the newest of all instead."""
        following = self._dispatch("GET", path, params={"after": query["after"], "limit": str(sys.maxsize)})
        page = following[::-1][: int(query.get("limit", _DEFAULT_LIMIT))]
        return list(page[::-1])

    def _application(self, data: Mapping[str, Any]) -> Payload:
        owner = serializers.user_payload(self._state.backend.users[self._state.people[0].id])
        return {**data, "owner": owner, "flags": application_flags(self._state)}

    def _gateway_facts(self) -> Payload:
        limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}

    def _publish(self, method: str, path: str) -> None:
        callback = _CALLBACK.fullmatch(path)
        if callback is not None:
            self._state.interactions.answered(self._state.backend.interactions[int(callback[1])])
        elif method == "PUT" and _COMMANDS.fullmatch(path):
            data = {"commands": flat_commands(self._state)}
            self._state.hub.publish(Event(EventKind.COMMANDS, None, None, data))


def _wants_body(path: str, query: Mapping[str, str]) -> bool:
    """Whether a call gets a body. Interaction responses and webhook messages get one only on request."""
    if _CALLBACK.fullmatch(path):
        return query.get("with_response") in ("1", "true")
    if _WEBHOOK_EXECUTION.fullmatch(path):
        return query.get("wait") in ("1", "true")
    return True
