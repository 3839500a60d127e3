"""Puts the bot's parts together. What they do is in their own modules."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from discord.ext import commands

from bot.answering.compaction import Compaction
from bot.answering.idle_generation import IdleGeneration
from bot.answering.prefill_ahead import PrefillAhead
from bot.answering.retention import Retention
from bot.answering.service import AnswerService
from bot.cogs import Cogs
from bot.conversation.channel_modes import ChannelModes
from bot.conversation.conversations import Conversations
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.client import PhiClient
from bot.discord_client.command_mentions import CommandMentions
from bot.discord_client.command_sync import keep_commands_synced
from bot.discord_client.guild_permissions import log_lacks
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.invite import log_invite_link
from bot.discord_client.startup import log_in, stay_connected
from bot.lifecycle import Drain, Progress, cancel_on_terminate, health_of, in_background
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.server import Health, MonitoringServer
from bot.model.folder import open_model_folder
from bot.model.start_order import StartOrder
from bot.model.tokenizer_folder import open_tokenizer_folder
from bot.private_files import close_folder, delete_folder
from bot.service_manager import ServiceManager
from bot.serving.service import ModelService
from bot.serving.version_watcher import VersionWatcher
from bot.settings import BACKUPS_NAME, DATABASE_NAME, DISK_CACHE_NAME, Settings
from bot.storage.backup.at_start import open_own_storage, wait_for_staged
from bot.storage.backup.automatic import delete_old_backups
from bot.storage.backup.place import Place
from bot.storage.bot_lock import LOCK_NAME
from bot.storage.storage import Storage

logger = logging.getLogger(__name__)

_COMMAND_RECORD = "synced_commands.sha256"


class Application:
    """The whole bot for one set of settings.

    Args:
        settings: what the operator configured.
        progress: shows the stages of the start and of the end.
        service_manager: is told the same, and that the event loop is alive.

    Raises:
        ConfigurationError: there is no usable token, or no usable model folder.

    Attributes:
        ready: set once the bot is on Discord and answers.
        storage: open while `run` runs, like the next.
        serving: the model that answers.
    """

    storage: Storage
    serving: ModelService
    _modes: ChannelModes
    _addressing: Addressing
    _prefill_ahead: PrefillAhead
    _idle_generation: IdleGeneration
    _version_watcher: VersionWatcher
    _drain: Drain

    def __init__(self, settings: Settings, progress: Progress, service_manager: ServiceManager | None = None) -> None:
        self._settings = settings
        self._progress = progress
        self._service_manager = service_manager or ServiceManager()
        self._token = settings.require_token()
        # Fails here, before anything is opened, if there is no usable model.
        open_folder = open_tokenizer_folder if settings.engine_options.engine == "openai" else open_model_folder
        StartOrder(settings.model_dir).next_usable(open_folder)
        if settings.engine_url and settings.engine != "openai":
            logger.warning("ENGINE_URL is not used, it needs ENGINE=openai")
        if settings.has_unused_draft_model:
            logger.warning(
                "Draft model is not used, it needs ENGINE=paged, DRAFT_TOKENS above 0 and another folder than "
                "MODEL_DIR: DRAFT_MODEL_DIR=%s",
                settings.draft_model_dir,
            )
        self.ready = asyncio.Event()
        self.metrics = PrometheusMetrics()
        self.client = PhiClient(
            message_content_intent=settings.message_content_intent, on_status=self.metrics.discord.responded
        )
        self.metrics.discord.watch(lambda: self.client.is_online)
        self._scopes = ChannelScopes(self.client, settings.memory)
        self._command_mentions = CommandMentions(self.client.tree)

    @property
    def answering(self) -> AnswerService:
        """Turns questions into answers."""
        return self.serving.answering

    @property
    def restarts(self) -> bool:
        """Whether `run` has ended to be followed by another one, which restores a backup first."""
        return hasattr(self, "_drain") and self._drain.restarts

    async def run(self) -> None:
        """Log in, load the model, and answer until cancelled or terminated; then close everything.

        Raises:
            ConfigurationError: Discord, the engine or the operating system refuses something that the operator can fix.
        """
        place = Place.of(self._settings)
        self._close_data_folder(place)
        async with AsyncExitStack() as closing:
            heartbeats = in_background(self._service_manager.send_heartbeats(), "heartbeats")
            await closing.enter_async_context(heartbeats)  # first, so that they go on until everything else is closed
            await self._open_parts(closing, place)
            await self._start_monitoring(closing)
            async with self.client:
                self._stage("Logging in to Discord")
                await log_in(self.client, self._token)
                await self._set_up()
                retention = Retention(self.answering.conversations, self._settings.retention_days)
                async with (
                    in_background(retention.run(), "retention"),
                    in_background(delete_old_backups(place), "old backups"),
                    in_background(self._prefill_when_ready(), "prefill-ahead"),
                    in_background(self._compact_when_ready(), "compaction"),
                    in_background(self._register_commands(), "command sync"),
                ):
                    await stay_connected(self.client, self._report_ready)

    def health(self) -> Health:
        """Whether the bot would answer a mention now."""
        return health_of(self.client, self.serving, self.storage, self.metrics, self._drain)

    def _close_data_folder(self, place: Place) -> None:
        ours = {_COMMAND_RECORD, DATABASE_NAME, LOCK_NAME, place.database.file.name}
        close_folder(self._settings.data_folder, ours, our_folders={DISK_CACHE_NAME, BACKUPS_NAME})

    async def _open_parts(self, closing: AsyncExitStack, place: Place) -> None:
        settings = self._settings
        self._stage("Opening the database")
        self.storage = await closing.enter_async_context(
            open_own_storage(place, settings.database_address, self.metrics.database_outage)
        )
        if settings.engine_options.disk_cache_dir is None:  # nobody would erase from it what people delete
            await asyncio.to_thread(delete_folder, place.disk_cache)  # not before the folder is this bot's alone
        conversations = Conversations(self.storage.conversations, settings.system_prompt, self._scopes.of)
        self._modes = ChannelModes(self.storage.modes)
        self._addressing = Addressing(self.client, self._modes, settings.ignored_prefix)
        cancel_on_terminate()
        self.serving = await ModelService.open(settings, conversations, self.metrics)
        closing.push_async_callback(self.serving.close)
        self._version_watcher = VersionWatcher(self.serving)
        closing.push_async_callback(self._version_watcher.close)
        self._prefill_ahead = PrefillAhead(self.answering)
        self._idle_generation = IdleGeneration(self.answering)
        self._drain = Drain(self.answering.queue, self.client.running_replies, settings.drain_seconds)
        self._drain.begin_on_terminate(self._report_drain)
        await closing.enter_async_context(in_background(self._restart_to_restore(place), "restore"))

    async def _start_monitoring(self, closing: AsyncExitStack) -> None:
        port = self._settings.metrics_port
        if port is not None:
            server = MonitoringServer(self.metrics, self.health, host=self._settings.metrics_host, port=port)
            await server.start()
            closing.push_async_callback(server.close)

    async def _restart_to_restore(self, place: Place) -> None:
        await wait_for_staged(place)
        logger.warning("Backup is to be restored, restarting path=%s", place.staged)
        self._drain.restart()

    async def _prefill_when_ready(self) -> None:
        # Which persona applies in a channel is known once Discord has sent the channels.
        await self.client.wait_until_ready()
        await self._prefill_ahead.run()

    async def _compact_when_ready(self) -> None:
        if self._settings.compaction == "on":
            await self.client.wait_until_ready()
            await Compaction(self.answering, self._idle_generation).run()

    async def _register_commands(self) -> None:
        await keep_commands_synced(self.client.tree, self._settings.data_folder / _COMMAND_RECORD)
        await self._command_mentions.fetch_ids()

    def _stage(self, text: str) -> None:
        self._service_manager.status(text)
        self._progress.stage(text)

    def _report_ready(self) -> None:
        self.ready.set()
        online = f"{self.client.user} is online; servers: {len(self.client.guilds)}"
        self._service_manager.ready(online)
        self._progress.done(f"{online}. Ctrl-C ends it.")
        log_invite_link(self.client)
        log_lacks(self.client.guilds, self._addressing.opens_thread)

    def _report_drain(self) -> None:
        if not self._drain.is_for_restart:  # which the manager must not take for the end
            self._service_manager.stopping()
        self._stage("Waiting for running answers to finish")

    async def _set_up(self) -> None:
        await self._modes.load()
        await self.serving.start(self._stage)
        self._version_watcher.start()
        self._addressing.warn_if_blind()
        for cog in self._cogs():
            await self.client.add_cog(cog)
        self._stage("Connecting to Discord")

    def _cogs(self) -> list[commands.Cog]:
        return Cogs(
            settings=self._settings,
            client=self.client,
            storage=self.storage,
            serving=self.serving,
            metrics=self.metrics,
            modes=self._modes,
            addressing=self._addressing,
            scopes=self._scopes,
            command_mentions=self._command_mentions,
            prefill_ahead=self._prefill_ahead,
            idle_generation=self._idle_generation,
        ).make()
