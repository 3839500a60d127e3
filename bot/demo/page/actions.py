"""Runs the page's actions on the loopback Discord."""

from __future__ import annotations

from bot.demo.loopback import LoopbackDiscord
from bot.demo.loopback.values import Payload
from bot.demo.page import requests as ask
from bot.demo.page.requests import ChannelRequest, SentFile

ActionResult = str | list[Payload] | Payload | None


class PageActions:
    """Runs one person's actions."""

    def __init__(self, discord: LoopbackDiscord, person_id: int) -> None:
        self._discord = discord
        self._person_id = person_id

    async def run(self, request: ChannelRequest | ask.SubmitModal) -> ActionResult:
        """Run an action and return its result for the page: the id of what it made, or what it found.

        Raises:
            LoopbackError: Discord would refuse it. The page shows the message.
        """
        match request:
            case ask.Click() | ask.Choose() | ask.Invoke() | ask.InvokeOnMessage() | ask.SubmitModal():
                return str(await self._interact(request))
            case ask.Commands() | ask.Autocomplete():
                return await self._look_up(request)
            case ask.Send() | ask.CreateThread():
                return str(await self._create(request))
        await self._change(request)
        return None

    async def _create(self, request: ask.Send | ask.CreateThread) -> int:
        person, channel = self._person_id, request.channel
        if isinstance(request, ask.CreateThread):
            return await self._discord.create_thread(person, channel, request.name, message_id=request.message)
        files = [_file(sent) for sent in request.files]
        return await self._discord.send(person, channel, request.content, reply_to=request.reply_to, files=files)

    async def _change(self, request: ask.Edit | ask.Delete | ask.Dismiss | ask.React | ask.Typing) -> None:
        person, channel = self._person_id, request.channel
        match request:
            case ask.Edit():
                await self._discord.edit(person, channel, request.message, request.content)
            case ask.Delete():
                await self._discord.delete(person, channel, request.message)
            case ask.Dismiss():
                await self._discord.dismiss(person, channel, request.message)
            case ask.React():
                await self._discord.react(person, channel, request.message, request.emoji)
            case ask.Typing():
                await self._discord.start_typing(person, channel)

    async def _look_up(self, request: ask.Commands | ask.Autocomplete) -> Payload | list[Payload]:
        person, channel = self._person_id, request.channel
        if isinstance(request, ask.Autocomplete):
            return await self._discord.autocomplete(person, channel, request.path, request.options, request.focused)
        slash = self._discord.commands_of(person, channel)
        return {"slash": slash, "message": self._discord.message_commands()}

    async def _interact(
        self, request: ask.Click | ask.Choose | ask.Invoke | ask.InvokeOnMessage | ask.SubmitModal
    ) -> int:
        """Return the id of the interaction that the bot receives."""
        discord, person = self._discord, self._person_id
        match request:
            case ask.Click():
                return await discord.click(person, request.channel, request.message, request.custom_id)
            case ask.Choose():
                custom_id, values = request.custom_id, request.values
                return await discord.choose(person, request.channel, request.message, custom_id, values)
            case ask.Invoke():
                options = request.options | {name: _file(sent) for name, sent in request.files.items()}
                return await discord.invoke(person, request.channel, request.path, options)
            case ask.InvokeOnMessage():
                return await discord.invoke_on_message(person, request.channel, request.name, request.message)
            case ask.SubmitModal():
                return await discord.submit_modal(person, request.interaction, request.values)


def _file(sent: SentFile) -> tuple[str, bytes]:
    return sent.name, sent.base64
