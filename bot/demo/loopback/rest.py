"""Serves Discord's REST API: who may call, how often, and what comes between a call and its response."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from aiohttp import web
from simcord.backend.errors import BackendError
from simcord.http.router import RouteNotImplemented, UnsupportedField

from bot.demo.loopback.api_calls import ApiCall, CallKind, Limit, kind_of
from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.faults.connections import break_connection
from bot.demo.loopback.faults.rest_faults import BrokenConnection, Refusal, RestFault, RestFaults
from bot.demo.loopback.message_checks import has_text, precise_error
from bot.demo.loopback.rate_limits import RateLimiter
from bot.demo.loopback.request_body import RequestBody, read_body
from bot.demo.loopback.responses import json_response, rate_limited
from bot.demo.loopback.rest_routes import RestRoutes

_log = logging.getLogger(__name__)

_PREFIX = "/api/v10"
_BY_TOKEN_IN_PATH = (CallKind.CALLBACK, CallKind.WEBHOOK)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response, and what is recorded of it."""

    response: web.Response
    code: int = 0
    limit: Limit | None = None


class RestApi:
    """Serves REST calls and downloads of attachments.

    Attributes:
        calls: every call, in the order in which they were worked on.
        faults: what is to happen to calls and downloads.
        limiter: counts the calls.
        routes: what the calls do.
    """

    def __init__(self, state: DiscordState, limiter: RateLimiter) -> None:
        self.calls: list[ApiCall] = []
        self.faults = RestFaults()
        self.limiter = limiter
        self.routes = RestRoutes(state)
        self._state = state

    def add_routes(self, application: web.Application) -> None:
        """Serve everything below `/api/v10` and `/cdn`."""
        application.router.add_route("*", _PREFIX + "/{path:.*}", self._serve)
        application.router.add_get("/cdn/{path:.*}", self._serve_download)

    async def _serve(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        path = request.rel_url.raw_path.removeprefix(_PREFIX)
        body = await read_body(request)
        fault = self.faults.take(request.method, path)
        if isinstance(fault, Refusal):
            answer = _Answer(fault.response(), fault.error_code, fault.kind_of_429)
        elif fault is None or fault.fault.does_the_work:
            answer = self._answer(request, path, body)
        else:
            answer = _Answer(web.Response())
        self._record(request, path, body, answer, fault, at)
        await self._break(request, fault)
        return answer.response

    async def _serve_download(self, request: web.Request) -> web.Response:
        fault = self.faults.take(request.method, request.rel_url.raw_path)
        if isinstance(fault, Refusal):
            return fault.response()
        response = self._download(request)
        await self._break(request, fault)
        return response

    async def _break(self, request: web.Request, fault: RestFault | None) -> None:
        if isinstance(fault, BrokenConnection):
            await break_connection(request, fault.fault, fault.seconds, self.faults.hanging)

    def _record(
        self, request: web.Request, path: str, body: RequestBody, answer: _Answer, fault: RestFault | None, at: float
    ) -> None:
        is_lost = isinstance(fault, BrokenConnection) and fault.fault.loses_the_response
        status = 0 if is_lost else answer.response.status
        self.limiter.answered(status, answer.limit)
        message = body.message()
        message = message if isinstance(message, dict) else {}
        mentions = message.get("allowed_mentions")
        content, nonce = message.get("content"), message.get("nonce")
        self.calls.append(
            ApiCall(
                request.method,
                path,
                status,
                at,
                kind_of(request.method, path, body.data)[0],
                answer.code,
                answer.limit,
                None if nonce is None else str(nonce),
                len(content) if isinstance(content, str) else None,
                has_text(request.method, path, body),
                mentions if isinstance(mentions, dict) else None,
                is_injected=fault is not None,
            )
        )
        self._state.hub.changed()

    def _download(self, request: web.Request) -> web.Response:
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

    def _answer(self, request: web.Request, path: str, body: RequestBody) -> _Answer:
        """Answer a call: a limit refuses it, or its token does, or it is worked on."""
        kind, key = kind_of(request.method, path, body.data)
        exceeded = self.limiter.take(kind, key)
        if exceeded is not None:
            return _Answer(rate_limited(exceeded.limit, exceeded.retry_after), limit=exceeded.limit)
        if kind not in _BY_TOKEN_IN_PATH and request.headers.get("Authorization") != f"Bot {self._state.token}":
            return _Answer(json_response({"message": "401: Unauthorized", "code": 0}, 401))
        answer = self._work_on(request, path, body)
        answer.response.headers.update(self.limiter.headers(kind, key))
        return answer

    def _work_on(self, request: web.Request, path: str, body: RequestBody) -> _Answer:
        """Do what a call asks for.

        A route that neither this server nor simcord models gets a 501, and a line in the log. discord.py raises that
        at once, except for interactions and webhooks, where it retries every error from 500 up for 25 s.
        """
        try:
            data = self.routes.do(request, path, body)
        except (RouteNotImplemented, UnsupportedField) as error:
            _log.error("Unsupported by the loopback Discord: %s", error.message)
            return _Answer(json_response(error.to_json(), 501))
        except BackendError as error:
            error = precise_error(error)
            return _Answer(json_response(error.to_json(), error.status), error.code)
        except Exception as error:  # noqa: BLE001  a bug here must not look like an outage of Discord
            _log.exception("The loopback Discord failed: method=%s path=%s", request.method, path)
            return _Answer(json_response({"message": f"{type(error).__name__}: {error}", "code": 0}, 501))
        return _Answer(web.Response(status=204) if data is None else json_response(data))
