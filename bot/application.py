"""The one place where the parts are put together."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import aiohttp
import discord
from discord.ext import commands

from bot.answering.prefill_ahead import PrefillAhead
from bot.answering.recovery import Recovery
from bot.answering.service import AnswerService
from bot.cli.progress import Progress
from bot.conversation.conversations import Conversations
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.client import INTENT_HELP, PhiClient
from bot.discord_client.command_sync import sync_changed_commands
from bot.discord_client.commands.memory_commands import ConversationCog
from bot.discord_client.commands.model_commands import ModelCog
from bot.discord_client.commands.persona_commands import PersonaCog
from bot.discord_client.events.connection import ConnectionListener
from bot.discord_client.events.mentions import MentionListener
from bot.discord_client.events.message_changes import MemoryCog
from bot.discord_client.events.retention import RetentionCog
from bot.discord_client.events.typing_starts import TypingCog
from bot.discord_client.incoming.inbox import DiscordInbox
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.server import Health, MonitoringServer
from bot.model.folder import open_model_folder
from bot.model.start_order import StartOrder
from bot.serving.service import ModelService
from bot.serving.version_watcher import VersionWatcher
from bot.settings import Settings
from bot.storage.storage import Storage

logger = logging.getLogger(__name__)


class Application:
    """The whole bot for one set of settings.

    Args:
        settings: what the person who runs it decided.
        progress: where what is being done is shown while that takes long.

    Raises:
        ConfigurationError: there is no usable token, or no usable model folder.

    Attributes:
        ready: set once the bot is on Discord and answers.
        storage: what is kept; set by `run`, like the next.
        serving: the model that answers.
    """

    storage: Storage
    serving: ModelService
    _version_watcher: VersionWatcher

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._token = settings.require_token()
        # What is missing there is told before anything is begun.
        StartOrder(settings.model_dir).next_usable(open_model_folder)
        self.ready = asyncio.Event()
        self.metrics = PrometheusMetrics()
        self.client = PhiClient(message_content_intent=settings.message_content_intent, set_up=self._set_up)
        self._scopes = ChannelScopes(self.client, settings.memory)
        self._draining: asyncio.Task[None] | None = None

    @property
    def answering(self) -> AnswerService:
        """What turns questions into answers."""
        return self.serving.answering

    async def run(self) -> None:
        """Log in, load the model, and answer until cancelled or told to end; then end everything.

        Raises:
            ConfigurationError: Discord, the engine or the operating system refused something that the person who runs
                it must mend.
            ConnectionError: Discord cannot be reached at the start.
        """
        async with AsyncExitStack() as closing:
            self.storage = await Storage.open(self._settings.database_address, self.metrics.database_outage)
            closing.push_async_callback(self.storage.close)
            conversations = Conversations(self.storage.conversations, self._settings.system_prompt, self._scopes.of)
            self.serving = ModelService(self._settings, conversations, self.metrics)
            closing.push_async_callback(self.serving.close)
            self._version_watcher = VersionWatcher(self.serving)
            closing.push_async_callback(self._version_watcher.close)
            await self._start_monitoring(closing)
            self._drain_on_terminate()
            async with self.client:
                await self._log_in()
                await self._connect()

    async def drain(self) -> None:
        """Take no new questions, let answers on their way end up to the limit, then end the bot."""
        self._progress.stage("Letting the answers on their way end")
        self.answering.queue.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self.answering.queue.wait_until_nobody_runs()
                await self.client.running_replies.wait_until_delivered()

    def health(self) -> Health:
        """Whether a mention would be answered now."""
        details = {
            "discord": self.client.is_ready() and not self.client.is_closed(),
            "engine": self.serving.facts is not None,
            "database": self.storage.outage is None,
            "draining": self._draining is not None,
            "running": self.answering.queue.running,
            "waiting": self.answering.queue.waiting,
            "engine_restarts": self.metrics.restarts,
        }
        return Health(bool(details["discord"] and details["engine"] and not details["draining"]), details)

    async def _start_monitoring(self, closing: AsyncExitStack) -> None:
        port = self._settings.metrics_port
        if port is not None:
            server = MonitoringServer(self.metrics, self.health, host=self._settings.metrics_host, port=port)
            await server.start()
            closing.push_async_callback(server.close)

    def _drain_on_terminate(self) -> None:
        """Let SIGTERM end the program softly, and a second one as Ctrl-C does, where the operating system has it."""
        task = asyncio.current_task()
        assert task is not None  # only called from a coroutine

        def terminate() -> None:
            if self._draining is not None:
                task.cancel()
                return
            self._draining = asyncio.create_task(self.drain())
            self._draining.add_done_callback(lambda _: task.cancel())

        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        except NotImplementedError:
            # Windows: closing the console ends the process, and the engine ends with it.
            logger.debug("No SIGTERM here.")

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
        await self.serving.start(self._progress.stage)
        self._version_watcher.start()
        for cog in self._cogs(client):
            await client.add_cog(cog)
        self._progress.stage("Connecting to Discord")
        await sync_changed_commands(client.tree, self._settings.data_dir / "synced_commands.sha256")

    def _cogs(self, client: PhiClient) -> list[commands.Cog]:
        settings, answering, work, scopes = self._settings, self.answering, self.storage.work, self._scopes
        conversations, running = answering.conversations, client.running_replies
        reader = QuestionReader(client, scopes, settings.max_text_file_kilobytes * 1000)
        delivery = ReplyDelivery(client, conversations, work, running, settings.max_reply_messages)
        intake = QuestionIntake(answering, reader, delivery, work)
        inbox = DiscordInbox(client, intake, reader, delivery, work)
        recovery = Recovery(inbox, work, timedelta(hours=settings.missed_hours))
        return [
            MentionListener(reader, recovery, intake),
            ConnectionListener(recovery),
            MemoryCog(conversations, reader),
            ConversationCog(answering, running, scopes),
            PersonaCog(answering, scopes),
            RetentionCog(conversations, settings.retention_days),
            ModelCog(self.serving, self.metrics, self.storage, settings.admin_ids),
            TypingCog(client, PrefillAhead(answering), scopes),
        ]
