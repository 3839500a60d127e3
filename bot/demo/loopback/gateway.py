"""Discord's gateway: sessions, and the connections that carry them."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import secrets
from collections import deque
from collections.abc import Mapping
from typing import Any

import discord
from aiohttp import WSMsgType, web

from bot.demo.loopback import gateway_events as events
from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.events import Event, EventKind
from bot.demo.loopback.faults.connections import cut
from bot.demo.loopback.faults.event_faults import EventFaults
from bot.demo.loopback.gateway_connection import GatewayConnection
from bot.demo.loopback.values import Payload

_log = logging.getLogger(__name__)

_DISPATCH, _HEARTBEAT, _IDENTIFY, _PRESENCE, _VOICE_STATE = 0, 1, 2, 3, 4
_RESUME, _REQUEST_MEMBERS, _INVALID_SESSION, _HELLO, _HEARTBEAT_ACK = 6, 8, 9, 10, 11
_HEARTBEAT_INTERVAL_MS = 41250
_NETWORK_SECONDS = 0.05
_KEPT_EVENTS = 10_000

_UNKNOWN_OPCODE, _DECODE_ERROR, _NOT_AUTHENTICATED, _AUTHENTICATION_FAILED = 4001, 4002, 4003, 4004
_ALREADY_AUTHENTICATED, _INVALID_SEQUENCE, _DISALLOWED_INTENTS = 4005, 4007, 4014
_GOING_AWAY = 1001


class Session:
    """A bot's session. It outlives its connection and keeps its events, so that the bot can resume."""

    def __init__(self, intents: discord.Intents, connection: GatewayConnection) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.connection: GatewayConnection | None = connection
        self.sequence = 0
        self._sent: deque[tuple[int, Payload]] = deque(maxlen=_KEPT_EVENTS)

    def dispatch(self, event: str, data: Any) -> None:
        """Number an event, keep it, and send it if there is a connection."""
        self.sequence += 1
        frame = {"op": _DISPATCH, "t": event, "s": self.sequence, "d": data}
        self._sent.append((self.sequence, frame))
        if self.connection is not None:
            self.connection.send(frame)

    def can_replay_after(self, sequence: int) -> bool:
        """Whether every event after that number is still kept."""
        return bool(self._sent) and self._sent[0][0] <= sequence + 1

    def replay_after(self, sequence: int, connection: GatewayConnection) -> None:
        """Move to a new connection and send it every event after that number."""
        self.connection = connection
        for number, frame in self._sent:
            if number > sequence:
                connection.send(frame)


class Gateway:
    """Speaks Discord's gateway protocol, version 10, in JSON, plain or as a zlib stream.

    Attributes:
        url: the address for resuming, which READY names.
        faults: what is to happen to events and connections.
        presence: what the bot last said of itself: `status`, `activities` and so on.
    """

    def __init__(self, state: DiscordState) -> None:
        self.url = ""
        self.faults = EventFaults()
        self.presence: Payload | None = None
        self._state = state
        self._sessions: dict[str, Session] = {}
        self._connections: set[GatewayConnection] = set()
        self._was_online = False
        self._delayed: set[asyncio.TimerHandle] = set()
        state.backend.subscribers.append(self._dispatch_to_all)

    @property
    def online(self) -> bool:
        """Whether some session has a connection."""
        return any(session.connection is not None for session in self._sessions.values())

    def add_routes(self, application: web.Application) -> None:
        """Accept websockets at `/gateway/`."""
        application.router.add_get("/gateway/", self._serve)

    async def drop(self, *, forget: bool = False) -> None:
        """Cut every connection without a close frame; with `forget`, drop the sessions too."""
        for session in self._sessions.values():
            session.connection = None
        if forget:
            self._sessions.clear()
        for connection in list(self._connections):
            connection.abort()
        self._publish_online()
        await self._state.hub.wait_for(lambda: not self._connections)

    async def close(self) -> None:
        """Close every connection with a close frame and drop the sessions."""
        self._sessions.clear()
        for timer in self._delayed:
            timer.cancel()
        self._delayed.clear()
        for connection in list(self._connections):
            await connection.close(_GOING_AWAY)
        self._publish_online()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.faults.is_outage:
            cut(request)
            return web.Response()
        socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 16)
        await socket.prepare(request)
        connection = GatewayConnection(request, socket)
        self._connections.add(connection)
        connection.send({"op": _HELLO, "t": None, "s": None, "d": {"heartbeat_interval": _HEARTBEAT_INTERVAL_MS}})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(connection, message.data)
        finally:
            self._connections.discard(connection)
            self._detach(connection, socket.close_code)
            await connection.end()
        return socket

    def _detach(self, connection: GatewayConnection, close_code: int | None) -> None:
        """Detach a closed connection from its session. A bot that closes with 1000 or 1001 will not resume."""
        for session in list(self._sessions.values()):
            if session.connection is connection:
                session.connection = None
                if close_code in (1000, _GOING_AWAY):
                    del self._sessions[session.id]
        self._publish_online()

    def _receive(self, connection: GatewayConnection, text: str) -> None:
        try:
            frame = json.loads(text)
            opcode, data = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError, AttributeError):
            opcode, data = None, None
        if opcode is None or (opcode in (_IDENTIFY, _RESUME, _REQUEST_MEMBERS) and not isinstance(data, dict)):
            connection.close_soon(_DECODE_ERROR)
        elif opcode == _HEARTBEAT:
            # discord.py records the time of a heartbeat after it sent it. An acknowledgement faster than any network
            # arrives before that, and looks a whole interval late.
            acknowledgement: Payload = {"op": _HEARTBEAT_ACK, "t": None, "s": None, "d": None}
            asyncio.get_running_loop().call_later(_NETWORK_SECONDS, connection.send, acknowledgement)
        elif opcode == _IDENTIFY:
            self._identify(connection, data)
        elif opcode == _RESUME:
            self._resume(connection, data)
        elif (session := self._session_of(connection)) is None:
            connection.close_soon(_NOT_AUTHENTICATED)
        elif opcode == _REQUEST_MEMBERS:
            for chunk in events.member_chunks(self._state, data):
                session.dispatch("GUILD_MEMBERS_CHUNK", chunk)
        elif opcode == _PRESENCE:
            self._set_presence(data)
        elif opcode == _VOICE_STATE:
            _log.debug("Ignored a gateway opcode: opcode=%s data=%s", opcode, data)
        else:
            connection.close_soon(_UNKNOWN_OPCODE)

    def _session_of(self, connection: GatewayConnection) -> Session | None:
        return next((one for one in self._sessions.values() if one.connection is connection), None)

    def _identify(self, connection: GatewayConnection, data: Mapping[str, Any]) -> None:
        intents = events.intents_from(int(data.get("intents") or 0))
        if self._session_of(connection) is not None:
            connection.close_soon(_ALREADY_AUTHENTICATED)
        elif data.get("token") != self._state.token:
            connection.close_soon(_AUTHENTICATION_FAILED)
        elif missing := events.missing_grants(self._state, intents):
            _log.info("Refused a bot: ungranted_intents=%s", ", ".join(missing))
            connection.close_soon(_DISALLOWED_INTENTS)
        else:
            # A bot that identifies again has given up the sessions that it could have resumed.
            self._sessions = {key: one for key, one in self._sessions.items() if one.connection is not None}
            session = Session(intents, connection)
            self._sessions[session.id] = session
            self._set_presence(data.get("presence"))
            session.dispatch("READY", events.ready_payload(self._state, session.id, self.url, data.get("shard")))
            for guild_id in events.guilds_of_bot(self._state):
                self._dispatch(session, "GUILD_CREATE", events.guild_create_payload(self._state, guild_id))
            self._publish_online()

    def _resume(self, connection: GatewayConnection, data: Mapping[str, Any]) -> None:
        if data.get("token") != self._state.token:
            connection.close_soon(_AUTHENTICATION_FAILED)
            return
        session = self._sessions.get(data.get("session_id") or "")
        sequence = int(data.get("seq") or 0)
        if session is None or not session.can_replay_after(sequence):
            connection.send({"op": _INVALID_SESSION, "t": None, "s": None, "d": False})
        elif sequence > session.sequence:
            connection.close_soon(_INVALID_SEQUENCE)
        else:
            session.replay_after(sequence, connection)
            session.dispatch("RESUMED", {})
            self._publish_online()

    def _dispatch_to_all(self, event: str, payload: Mapping[str, Any]) -> None:
        for delay in self.faults.deliveries(event):
            if delay:
                self._dispatch_later(delay, event, copy.deepcopy(dict(payload)))
                continue
            for session in self._sessions.values():
                self._dispatch(session, event, payload)

    def _dispatch_later(self, delay: float, event: str, payload: Payload) -> None:
        def dispatch() -> None:
            self._delayed.discard(timer)
            for session in self._sessions.values():
                self._dispatch(session, event, payload)

        timer = asyncio.get_running_loop().call_later(delay, dispatch)
        self._delayed.add(timer)

    def _dispatch(self, session: Session, event: str, payload: Mapping[str, Any]) -> None:
        shaped = events.shaped_for(self._state, session.intents, event, payload)
        if shaped is not None:
            session.dispatch(event, shaped)

    def _set_presence(self, data: object) -> None:
        presence = dict(data) if isinstance(data, dict) else None
        if presence != self.presence:
            self.presence = presence
            self._publish_bot()

    def _publish_online(self) -> None:
        if self.online != self._was_online:
            self._was_online = self.online
            self._publish_bot()
        self._state.hub.changed()

    def _publish_bot(self) -> None:
        data = {"online": self.online, "presence": self.presence}
        self._state.hub.publish(Event(EventKind.BOT, None, None, data))
