"""The REST API: what is Discord's own here, and everything else by simcord's routes."""

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
_USUAL_LIMIT = 50
_APPLICATION = ("/oauth2/applications/@me", "/applications/@me")


class RestApi:
    """Answers REST calls, and downloads of attachments.

    Attributes:
        calls: every call that was answered.
        faults: what shall fail.
        gateway_url: where the gateway is, for bots that ask.
    """

    def __init__(self, state: DiscordState) -> None:
        self.gateway_url = ""
        self.calls: list[ApiCall] = []
        self.faults = Faults()
        self._state = state
        self._nonces = SentNonces()

    def add_routes(self, application: web.Application) -> None:
        """Answer below `/api/v10` and `/cdn`."""
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
        # What a person uploaded must not run as a page of this server.
        headers = {
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=content, content_type=content_type, headers=headers)

    async def _answer(self, request: web.Request, path: str) -> web.Response:
        """Do what a call asks.

        What neither this server nor simcord models is a 501 with the route in the log. discord.py raises that at
        once, except for interactions and webhooks, where it retries every error from 500 up for 25 s.
        """
        by_token_in_path = _BY_TOKEN_IN_PATH.fullmatch(path)
        if not by_token_in_path and request.headers.get("Authorization") != f"Bot {self._state.token}":
            return json_response({"message": "401: Unauthorized", "code": 0}, 401)
        try:
            data = self._do(request, path, await read_body(request))
        except (RouteNotImplemented, UnsupportedField) as error:
            _log.error("This loopback Discord cannot do it: %s", error.message)
            return json_response(error.to_json(), 501)
        except BackendError as error:
            error = precise_error(error)
            return json_response(error.to_json(), error.status)
        except Exception as error:  # noqa: BLE001  a defect must not look like Discord being down
            _log.exception("This loopback Discord failed on %s %s", request.method, path)
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
        self._tell(request.method, path)
        return data if _wants_answer(path, request.query) else None

    def _dispatch(
        self,
        method: str,
        path: str,
        body: RequestBody | None = None,
        *,
        params: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> Any:
        """Have simcord do it."""
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
        """Send a message, unless it was sent already: simcord has no nonces."""
        earlier = self._nonces.earlier(self._state.backend, body.data)
        if earlier is not None:
            sent = self._dispatch("GET", "/channels/{}/messages/{}".format(*earlier))
        else:
            sent = self._dispatch("POST", path, body, reason=reason)
            self._nonces.remember(body.data, sent)
        return {**sent, "nonce": body.data.get("nonce")}

    def _history_after(self, path: str, query: Mapping[str, str]) -> list[Payload]:
        """The messages that follow one, newest first. simcord gives the newest of all instead of the next ones."""
        everything = self._dispatch("GET", path, params={"after": query["after"], "limit": str(sys.maxsize)})
        next_ones = everything[::-1][: int(query.get("limit", _USUAL_LIMIT))]
        return list(next_ones[::-1])

    def _application(self, data: Mapping[str, Any]) -> Payload:
        owner = serializers.user_payload(self._state.backend.users[self._state.people[0].id])
        return {**data, "owner": owner, "flags": application_flags(self._state)}

    def _gateway_facts(self) -> Payload:
        limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}

    def _tell(self, method: str, path: str) -> None:
        callback = _CALLBACK.fullmatch(path)
        if callback is not None:
            self._state.interactions.answered(self._state.backend.interactions[int(callback[1])])
        elif method == "PUT" and _COMMANDS.fullmatch(path):
            data = {"commands": flat_commands(self._state)}
            self._state.hub.publish(Event(EventKind.COMMANDS, None, None, data))


def _wants_answer(path: str, query: Mapping[str, str]) -> bool:
    """Interaction responses and webhook messages are answered only on request; everything else always."""
    if _CALLBACK.fullmatch(path):
        return query.get("with_response") in ("1", "true")
    if _WEBHOOK_EXECUTION.fullmatch(path):
        return query.get("wait") in ("1", "true")
    return True
