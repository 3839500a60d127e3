"""What Discord's REST API does: simcord's routes, with corrections where they differ from Discord."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from simcord.backend import serializers
from simcord.http import routes  # noqa: F401  importing it registers the routes
from simcord.http.router import dispatch

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.gateway_events import application_flags, guilds_of_bot
from bot.demo.loopback.interaction_rules import hide_if_external
from bot.demo.loopback.message_checks import check_message, check_uploads
from bot.demo.loopback.nonces import SentNonces
from bot.demo.loopback.refusals import check_refusals
from bot.demo.loopback.registered_commands import publish_commands
from bot.demo.loopback.request_body import RequestBody
from bot.demo.loopback.threads import edit_thread, start_thread
from bot.demo.loopback.values import Payload

_CALLBACK = re.compile(r"/interactions/(\d+)/[^/]+/callback")
_RESPONSE = re.compile(r"/(?:interactions|webhooks)/\d+/([^/]+)(?:/callback)?")
_WEBHOOK_EXECUTION = re.compile(r"/webhooks/\d+/[^/]+")
_CHANNEL = re.compile(r"/channels/(\d+)")
_THREAD_FROM_MESSAGE = re.compile(r"/channels/(\d+)/messages/(\d+)/threads")
_MESSAGES = re.compile(r"/channels/\d+/messages")
_COMMANDS = re.compile(r"/applications/\d+(/guilds/\d+)?/commands")
_OWN_GUILDS = "/users/@me/guilds"
_DEFAULT_LIMIT = 50
_APPLICATION = ("/oauth2/applications/@me", "/applications/@me")


class RestRoutes:
    """Does what REST calls ask for.

    Attributes:
        gateway_url: the address of the gateway, set before the first call.
    """

    def __init__(self, state: DiscordState) -> None:
        self.gateway_url = ""
        self._state = state
        self._nonces = SentNonces()

    def do(self, request: web.Request, path: str, body: RequestBody) -> Any:
        """Do what a call asks for, and return the response's JSON value, or None for a response without a body.

        Args:
            path: after `/api/v10`.

        Raises:
            BackendError: Discord would refuse it.
        """
        if body.error is not None:
            raise body.error
        if path in ("/gateway", "/gateway/bot"):
            return self._gateway_facts()
        check_uploads(body.uploads)
        check_refusals(self._state, request.method, path, body)
        if request.method == "POST" and (response := _RESPONSE.fullmatch(path)) and isinstance(body.message(), dict):
            hide_if_external(self._state, response[1], body.message())
        if request.method == "PUT" and _COMMANDS.fullmatch(path):
            self._state.installations.check_commands(body.data)
        check_message(self._state.backend, request.method, path, body)
        reason = unquote(request.headers.get("X-Audit-Log-Reason", "")) or None
        if path in _APPLICATION:
            return self._application(self._dispatch(request.method, "/oauth2/applications/@me", body))
        if path == _OWN_GUILDS:
            return self._own_guilds(request.query)
        if _MESSAGES.fullmatch(path) and request.method == "POST" and isinstance(body.data, dict):
            return self._send_once(path, body, reason)
        if _MESSAGES.fullmatch(path) and "after" in request.query:
            return self._history_after(path, request.query)
        if request.method == "PATCH" and (thread_id := self._thread_of(path)) and isinstance(body.data, dict):
            return edit_thread(self._state, self._state.bot.id, thread_id, body.data)
        if (
            request.method == "POST"
            and (source := _THREAD_FROM_MESSAGE.fullmatch(path))
            and isinstance(body.data, dict)
        ):
            return self._thread_from(int(source[1]), int(source[2]), body.data)
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

    def _thread_of(self, path: str) -> int | None:
        """Return the id of the thread that a path names, or None if it names something else."""
        match = _CHANNEL.fullmatch(path)
        channel = self._state.backend.channels.get(int(match[1])) if match else None
        return channel.id if channel is not None and channel.is_thread else None

    def _thread_from(self, channel_id: int, message_id: int, fields: Payload) -> Payload:
        """Start a thread from a message. simcord posts another message for it and allows a second one."""
        thread = start_thread(self._state, self._state.bot.id, channel_id, fields.get("name"), message_id)
        if duration := fields.get("auto_archive_duration"):
            thread.thread_metadata.auto_archive_duration = int(duration)
        return dict(serializers.thread_payload(self._state.backend, thread))

    def _application(self, data: Mapping[str, Any]) -> Payload:
        owner = serializers.user_payload(self._state.backend.users[self._state.people[0].id])
        types = ("0", "1") if self._state.installations.allows_users else ("0",)
        config = {
            kind: {"oauth2_install_params": {"scopes": ["applications.commands"], "permissions": "0"}} for kind in types
        }
        return {**data, "owner": owner, "flags": application_flags(self._state), "integration_types_config": config}

    def _own_guilds(self, query: Mapping[str, str]) -> list[Payload]:
        """List the guilds that the bot is a member of. simcord lists all that there are."""
        own = set(guilds_of_bot(self._state))
        return [guild for guild in self._dispatch("GET", _OWN_GUILDS, params=query) if int(guild["id"]) in own]

    def _gateway_facts(self) -> Payload:
        limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}

    def _publish(self, method: str, path: str) -> None:
        callback = _CALLBACK.fullmatch(path)
        if callback is not None:
            self._state.interactions.answered(self._state.backend.interactions[int(callback[1])])
        elif method == "PUT" and _COMMANDS.fullmatch(path):
            publish_commands(self._state)


def _wants_body(path: str, query: Mapping[str, str]) -> bool:
    """Whether a call gets a body. Interaction responses and webhook messages get one only on request."""
    if _CALLBACK.fullmatch(path):
        return query.get("with_response") in ("1", "true")
    if _WEBHOOK_EXECUTION.fullmatch(path):
        return query.get("wait") in ("1", "true")
    return True
