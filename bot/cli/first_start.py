"""The first start on a terminal asks for what the bot cannot do without: a token and a model."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from bot.cli import exit_codes
from bot.cli.terminal import Terminal
from bot.discord_client.invite import invite_link
from bot.discord_client.own_application import OwnApplication, TokenRefusedError, own_application
from bot.discord_token import pasted_token, token_mistake
from bot.env_file_changes import change_env_file, require_writable
from bot.errors import ConfigurationError
from bot.export.workspace import holds_no_model
from bot.model.folder import open_model_folder
from bot.model.start_order import StartOrder
from bot.settings import ENV_FILE, Settings, load_settings

_PORTAL = "https://discord.com/developers/applications"
_TRIES = 3
_NO = ("n", "no")
_YES = ("", "y", "yes")


class FirstStart:
    """A conversation with the operator. Nothing is written before the last question is answered.

    Args:
        settings: as they are.
        terminal: where the operator sits.
    """

    def __init__(self, settings: Settings, terminal: Terminal) -> None:
        self._settings = settings
        self._terminal = terminal
        self._home = settings.model_dir.expanduser()
        self._new: dict[str, str] = {}  # values by the names of their settings
        self._downloads = False
        self._application: OwnApplication | None = None

    def complete(self) -> int:
        """Ask for what is missing, write it into `.env`, and download a model if that is wanted.

        Returns:
            0 if the bot can go on and say itself what is still missing; otherwise the exit code.

        Raises:
            ConfigurationError: no token was accepted, or `.env` cannot be written.
        """
        try:
            self._ask()
        except (KeyboardInterrupt, EOFError):
            self._terminal.say("", "Stopped; nothing is written.")
            return exit_codes.STOPPED
        if self._new:
            change_env_file(ENV_FILE, self._new)
            self._terminal.say(f"Written to {ENV_FILE.absolute()}: {', '.join(self._new)}.")
        code = _download(self._home) if self._downloads else 0
        if not code and self._application is not None:
            link = invite_link(self._application.application_id)
            self._terminal.say(f"Add the bot to a server with this link: {link}", "")
        return code

    def _ask(self) -> None:
        try:
            self._settings.require_token()
        except ConfigurationError as error:
            if _is_in_environment("DISCORD_TOKEN"):
                return  # `.env` could not correct it
            require_writable(ENV_FILE)
            self._explain_token(error)
            self._ask_token()
        if self._settings.engine != "openai" and holds_no_model(self._home):
            self._ask_model()

    def _explain_token(self, error: ConfigurationError) -> None:
        is_new = self._settings.discord_token is None
        self._terminal.say(
            "The bot has no token yet. To get one:" if is_new else f"{error}.",
            f"  1. Open {_PORTAL} and choose New Application.",
            "  2. Choose Bot, then Reset Token, and copy the token.",
            f"It goes into {ENV_FILE.absolute()}, which only you can read.",
            "",
        )

    def _ask_token(self) -> None:
        for _ in range(_TRIES):
            token = pasted_token(self._terminal.ask_hidden("Paste the token; it stays hidden: "))
            mistake = token_mistake(token)
            if mistake is None and self._is_accepted(token):
                self._new["DISCORD_TOKEN"] = token
                self._ask_intent()
                return
            if mistake is not None:
                self._terminal.say(f"This is no bot's token: {mistake}.")
        raise ConfigurationError(
            f"{_TRIES} tokens were wrong, nothing is written; make a new one at {_PORTAL} (Bot, Reset Token), and "
            "start again"
        )

    def _is_accepted(self, token: str) -> bool:
        self._terminal.say("Asking Discord …")
        try:
            self._application = asyncio.run(own_application(token))
        except TokenRefusedError:
            self._terminal.say("Discord refuses this token; make a new one (Bot, Reset Token), and copy all of it.")
            return False
        except ConnectionError as error:
            self._terminal.say(f"The token has the right form, but cannot be checked now: {error}.")
            return True
        self._terminal.say(f"It is the token of {self._application.bot_name}.")
        return True

    def _ask_intent(self) -> None:
        is_granted = self._application is not None and self._application.may_read_messages
        if not is_granted or "message_content_intent" in self._settings.model_fields_set:
            return
        self._terminal.say(
            "",
            "The portal grants the message-content intent: the bot could also read messages that people reply to, and "
            "do without mentions where /channel mode says so.",
        )
        while (answer := self._terminal.ask("Use it? [Y/n] ").lower()) not in (*_YES, *_NO):
            pass
        self._new["MESSAGE_CONTENT_INTENT"] = "true" if answer in _YES else "false"

    def _ask_model(self) -> None:
        from bot.export.options import PREBUILT

        is_fixed = _is_in_environment("MODEL_DIR")
        self._terminal.say(
            "", f"There is no model at {self._home}. {PREBUILT} can be downloaded: 2.2 GB, no export needed."
        )
        while True:
            answer = self._terminal.ask(f"Download it? [Y/n{'' if is_fixed else ', or the folder of a model'}] ")
            if answer.lower() in (*_YES, *_NO):
                self._downloads = answer.lower() in _YES
                return
            if not is_fixed and self._is_usable(folder := _without_quotes(answer)):
                self._new["MODEL_DIR"] = folder
                return

    def _is_usable(self, folder: str) -> bool:
        try:
            StartOrder(load_settings(env_file=None, model_dir=folder).model_dir).next_usable(open_model_folder)
        except ConfigurationError as error:
            self._terminal.say(f"{error}.")
            return False
        return True


def _is_in_environment(setting: str) -> bool:
    return any(name.upper() == setting and value.strip() for name, value in os.environ.items())


def _without_quotes(answer: str) -> str:
    """A path as some terminals paste it when a folder is dropped on them."""
    return answer[1:-1] if len(answer) > 1 and answer[0] == answer[-1] and answer[0] in "'\"" else answer


def _download(home: Path) -> int:
    """Return the exit code. A process of its own keeps what only the download needs out of the bot's."""
    command = [sys.executable, "-m", "bot", "export", "--prebuilt", "--output", str(home)]
    with subprocess.Popen(command) as process:  # noqa: S603 - this interpreter, with this package
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the same Ctrl-C has reached the download, which says what it leaves
