"""The one place where the parts are put together."""

from __future__ import annotations

import asyncio
import logging
import signal

import aiohttp
import discord

from bot.core.answering import Answering
from bot.core.conversation import Budget, Conversations
from bot.core.prompt import Message, PromptBuilder
from bot.discord_client.client import INTENT_HELP, PhiClient
from bot.discord_client.command_sync import sync_changed_commands
from bot.discord_client.mention_cog import MentionCog
from bot.discord_client.model_cog import ModelCog, describe_model
from bot.engine.process import EngineProcess
from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder, open_model_folder
from bot.progress import Progress
from bot.settings import Settings

logger = logging.getLogger(__name__)


class Application:
    """The whole bot for one set of settings.

    Args:
        settings: what the person who runs it decided.
        progress: where what is being done is shown while that takes long.

    Raises:
        ConfigurationError: the model folder cannot be used, or the system prompt does not fit its context.
    """

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._token = settings.require_token()
        self.ready = asyncio.Event()  # set once the bot is on Discord and answers
        self.folder: ModelFolder = open_model_folder(settings.model_dir)
        builder = PromptBuilder.from_folder(self.folder.path, self.folder.eos_token_ids)
        budget = Budget(self.folder.context_length, settings.max_new_tokens)
        _check_system_prompt(builder, settings.system_prompt, budget)
        self.engine = EngineProcess(settings.engine_options)
        self.answering = Answering(
            engine=self.engine,
            builder=builder,
            conversations=Conversations(builder, settings.system_prompt, budget),
            budget=budget,
            sampling=settings.sampling,
            time_limit_seconds=settings.answer_time_limit_seconds,
        )
        self.client = PhiClient(message_content_intent=settings.message_content_intent, set_up=self._set_up)

    async def run(self) -> None:
        """Log in, load the model, and answer until cancelled or told to end; then end everything.

        Raises:
            ConfigurationError: Discord or the engine refused something that the person who runs it must mend.
            ConnectionError: Discord cannot be reached at the start.
        """
        _end_on_terminate()
        try:
            async with self.client:
                await self._log_in()
                await self._connect()
        finally:
            await self.engine.close()

    async def _log_in(self) -> None:
        self._progress.stage("Logging in to Discord")
        try:
            await self.client.login(self._token)
        except discord.LoginFailure:
            raise ConfigurationError(
                "DISCORD_TOKEN was refused by Discord; make a new one at https://discord.com/developers/applications "
                "(Bot, Reset Token) and put it into .env"
            ) from None
        except aiohttp.ClientConnectionError as error:
            raise ConnectionError(f"Discord cannot be reached ({error}); check the network and start again") from error

    async def _connect(self) -> None:
        ready = asyncio.create_task(self._tell_when_ready())
        try:
            await self.client.connect()
        except discord.PrivilegedIntentsRequired:
            raise ConfigurationError(INTENT_HELP) from None
        finally:
            ready.cancel()

    async def _tell_when_ready(self) -> None:
        await self.client.wait_until_ready()
        self.ready.set()
        self._progress.done(f"{self.client.user} is online; servers: {len(self.client.guilds)}. Ctrl-C ends it.")

    async def _set_up(self, client: PhiClient) -> None:
        await self.engine.start(self._progress.stage)
        await client.add_cog(
            MentionCog(client, self.answering, client.running_replies, self._settings.max_reply_messages)
        )
        await client.add_cog(ModelCog(lambda: describe_model(self.folder, self.engine, self.answering)))
        self._progress.stage("Connecting to Discord")
        await sync_changed_commands(client.tree, self._settings.data_dir / "synced_commands.sha256")


def _check_system_prompt(builder: PromptBuilder, system_prompt: str, budget: Budget) -> None:
    tokens = len(builder.build([Message("system", system_prompt), Message("user", "")]).ids)
    if tokens > budget.prompt_limit // 2:
        raise ConfigurationError(
            f"SYSTEM_PROMPT takes {tokens:,} tokens, more than half of the {budget.prompt_limit:,} that a prompt may "
            "have with this model; shorten it, or lower MAX_NEW_TOKENS"
        )


def _end_on_terminate() -> None:
    """Let SIGTERM end the program as Ctrl-C does, where the operating system has it."""
    task = asyncio.current_task()
    assert task is not None  # only called from a coroutine
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    except NotImplementedError:
        # Windows: closing the console ends the process, and the engine ends with it.
        logger.debug("No SIGTERM here.")
