"""Runs the page's actions on the loopback Discord."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from bot.demo.loopback import LoopbackDiscord
from bot.demo.loopback.values import Payload

ActionResult = str | list[Payload] | Payload | None


class PageActions:
    """Runs one person's actions. A request is a JSON object with `action`, `channel` and the action's arguments."""

    def __init__(self, discord: LoopbackDiscord, person_id: int) -> None:
        self._discord = discord
        self._person_id = person_id
        self._actions: dict[str, Callable[[int, Payload], Awaitable[ActionResult]]] = {
            "autocomplete": self._autocomplete,
            "choose": self._choose,
            "click": self._click,
            "commands": self._commands,
            "create_thread": self._create_thread,
            "delete": self._delete,
            "dismiss": self._dismiss,
            "edit": self._edit,
            "invoke": self._invoke,
            "invoke_on_message": self._invoke_on_message,
            "react": self._react,
            "send": self._send,
            "submit_modal": self._submit_modal,
            "typing": self._typing,
        }

    async def run(self, request: Payload) -> ActionResult:
        """Run the action of a request and return its result for the page.

        Raises:
            LoopbackError: Discord would refuse it. The page shows the message.
        """
        return await self._actions[request["action"]](int(request["channel"]), request)

    async def _send(self, channel: int, request: Payload) -> ActionResult:
        reply_to = None if request["reply_to"] is None else int(request["reply_to"])
        files = [_file(sent) for sent in request["files"]]
        content = request["content"]
        return str(await self._discord.send(self._person_id, channel, content, reply_to=reply_to, files=files))

    async def _edit(self, channel: int, request: Payload) -> ActionResult:
        await self._discord.edit(self._person_id, channel, int(request["message"]), request["content"])
        return None

    async def _delete(self, channel: int, request: Payload) -> ActionResult:
        await self._discord.delete(self._person_id, channel, int(request["message"]))
        return None

    async def _dismiss(self, channel: int, request: Payload) -> ActionResult:
        await self._discord.dismiss(self._person_id, channel, int(request["message"]))
        return None

    async def _react(self, channel: int, request: Payload) -> ActionResult:
        await self._discord.react(self._person_id, channel, int(request["message"]), request["emoji"])
        return None

    async def _typing(self, channel: int, _request: Payload) -> ActionResult:
        await self._discord.start_typing(self._person_id, channel)
        return None

    async def _create_thread(self, channel: int, request: Payload) -> ActionResult:
        message = None if request["message"] is None else int(request["message"])
        return str(await self._discord.create_thread(self._person_id, channel, request["name"], message_id=message))

    async def _commands(self, channel: int, _request: Payload) -> ActionResult:
        slash = self._discord.commands_of(self._person_id, channel)
        return {"slash": slash, "message": self._discord.message_commands()}

    async def _click(self, channel: int, request: Payload) -> ActionResult:
        message = int(request["message"])
        return str(await self._discord.click(self._person_id, channel, message, request["custom_id"]))

    async def _choose(self, channel: int, request: Payload) -> ActionResult:
        message, custom_id, values = int(request["message"]), request["custom_id"], request["values"]
        return str(await self._discord.choose(self._person_id, channel, message, custom_id, values))

    async def _invoke(self, channel: int, request: Payload) -> ActionResult:
        options = request["options"] | {name: _file(sent) for name, sent in request["files"].items()}
        return str(await self._discord.invoke(self._person_id, channel, request["path"], options))

    async def _invoke_on_message(self, channel: int, request: Payload) -> ActionResult:
        name, message = request["name"], int(request["message"])
        return str(await self._discord.invoke_on_message(self._person_id, channel, name, message))

    async def _autocomplete(self, channel: int, request: Payload) -> ActionResult:
        path, options, focused = request["path"], request["options"], request["focused"]
        return await self._discord.autocomplete(self._person_id, channel, path, options, focused)

    async def _submit_modal(self, _channel: int, request: Payload) -> ActionResult:
        interaction = int(request["interaction"])
        return str(await self._discord.submit_modal(self._person_id, interaction, request["values"]))


def _file(sent: Payload) -> tuple[str, bytes]:
    return sent["name"], base64.b64decode(sent["base64"], validate=True)
