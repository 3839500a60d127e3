"""The websocket of one open page, through which a person sees and acts."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from bot.demo.loopback import LoopbackDiscord, LoopbackError, Subscription
from bot.demo.loopback.values import Payload
from bot.demo.page.actions import ActionResult, PageActions
from bot.demo.page.person_view import PersonView
from bot.demo.page.requests import Become, Request, parse_message, request_from


class PageConnection:
    """Serves one websocket.

    The page sends `{"id": 1, "action": "send", …}` and gets `{"reply": 1, "result": …}`, or `{"reply": 1, "error":
    "one line"}`. A message that cannot be read gets an error with `"reply": null`. Its first action is `become`, with
    the id of the person to act as, or None for the first one. Events arrive as `{"event": …}`: first `state`, which
    holds everything, then the changes.
    """

    def __init__(self, discord: LoopbackDiscord, socket: web.WebSocketResponse) -> None:
        self._discord = discord
        self._socket = socket
        self._view: PersonView | None = None
        self._actions: PageActions | None = None

    async def run(self) -> None:
        """Serve until the page closes or the demo ends."""
        subscription = self._discord.subscribe()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forward(subscription))
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    # A task for each: the bot's slow autocomplete must not delay the next request.
                    tasks.create_task(self._answer(message.data))
            subscription.close()

    async def _forward(self, subscription: Subscription) -> None:
        async for event in subscription:
            update = None if self._view is None else self._view.update(event)
            if update is not None:
                await self._send(update)
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _answer(self, data: str | bytes) -> None:
        message: Payload = {}
        try:
            message = parse_message(data)
            result = await self._run_action(request_from(message))
        except LoopbackError as error:
            await self._send({"reply": message.get("id"), "error": str(error)})
        else:
            await self._send({"reply": message.get("id"), "result": result})

    async def _run_action(self, request: Request) -> ActionResult:
        if isinstance(request, Become):
            await self._become(request.person)
            return None
        if self._actions is None:
            raise LoopbackError("choose a person first")
        return await self._actions.run(request)

    async def _become(self, wanted: str | None) -> None:
        ids = [person.id for person in self._discord.people]
        person_id = next((person for person in ids if str(person) == wanted), ids[0])
        await self._discord.open_dm(person_id)
        self._actions = PageActions(self._discord, person_id)
        self._view = PersonView(self._discord, person_id)
        await self._send({"event": "state", "state": self._view.state()})

    async def _send(self, message: Payload) -> None:
        with suppress(ConnectionResetError):  # the page has just closed; `run` notices it too
            await self._socket.send_json(message)
