"""Runs the page's actions on the loopback Discord."""

from __future__ import annotations

from bot.demo.loopback import LoopbackDiscord
from bot.demo.loopback.values import Payload
from bot.demo.page import requests as ask
from bot.demo.page.bot_settings import bot_settings, change_bot_settings
from bot.demo.page.requests import ChannelRequest, PersonRequest, SentFile

ActionResult = str | list[Payload] | Payload | None


class PageActions:
    """Runs one person's actions."""

    def __init__(self, discord: LoopbackDiscord, person_id: int) -> None:
        self._discord = discord
        self._person_id = person_id

    async def run(self, request: ChannelRequest | PersonRequest) -> ActionResult:
        """Run an action and return its result for the page: the id of what it made, or what it found.

        Raises:
            LoopbackError: Discord would refuse it. The page shows the message.
        """
        match request:
            case ask.Click() | ask.Choose() | ask.Invoke() | ask.InvokeOnMessage() | ask.SubmitModal():
                return str(await self._interact(request))
            case ask.Commands() | ask.Autocomplete() | ask.BotSettings():
                return await self._look_up(request)
            case ask.Send() | ask.CreateThread() | ask.CreatePost() | ask.OpenPrivate():
                return str(await self._create(request))
            case ask.ChangeBotSettings():
                await change_bot_settings(self._discord, self._person_id, request)
                return None
            case ask.InstallApp():
                self._install(is_installed=request.installed)
                return None
        await self._change(request)
        return None

    async def _create(self, request: ask.Send | ask.CreateThread | ask.CreatePost | ask.OpenPrivate) -> int:
        discord, person = self._discord, self._person_id
        match request:
            case ask.OpenPrivate():
                return discord.open_private_channel(person, *request.people)
            case ask.CreateThread():
                return await discord.create_thread(person, request.channel, request.name, message_id=request.message)
            case ask.CreatePost():
                files = _files(request.files)
                return await discord.create_post(person, request.channel, request.title, request.content, files=files)
            case ask.Send():
                files, reply_to = _files(request.files), request.reply_to
                return await discord.send(person, request.channel, request.content, reply_to=reply_to, files=files)

    def _install(self, *, is_installed: bool) -> None:
        if is_installed:
            self._discord.install_app(self._person_id)
        else:
            self._discord.uninstall_app(self._person_id)

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

    async def _look_up(self, request: ask.Commands | ask.Autocomplete | ask.BotSettings) -> Payload | list[Payload]:
        person, channel = self._person_id, request.channel
        if isinstance(request, ask.BotSettings):
            return bot_settings(self._discord, person, channel)
        if isinstance(request, ask.Autocomplete):
            return await self._discord.autocomplete(person, channel, request.path, request.options, request.focused)
        slash = self._discord.commands_of(person, channel)
        return {"slash": slash, "message": self._discord.message_commands_of(person, channel)}

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
                files = {name: _files(sent) for name, sent in request.files.items()}
                return await discord.submit_modal(person, request.interaction, {**request.values, **files})


def _files(sent: list[SentFile]) -> list[tuple[str, bytes]]:
    return [_file(one) for one in sent]


def _file(sent: SentFile) -> tuple[str, bytes]:
    return sent.name, sent.base64
