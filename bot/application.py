"""Puts the bot's parts together. What they do is in their own modules."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import timedelta

from discord.ext import commands

from bot.answering.compaction import Compaction
from bot.answering.idle_generation import IdleGeneration
from bot.answering.prefill_ahead import PrefillAhead
from bot.answering.recovery import Recovery
from bot.answering.retention import Retention
from bot.answering.service import AnswerService
from bot.answering.titles import Titles
from bot.conversation.channel_modes import ChannelModes
from bot.conversation.conversations import Conversations
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.client import PhiClient
from bot.discord_client.command_mentions import CommandMentions
from bot.discord_client.command_sync import keep_commands_synced
from bot.discord_client.commands.ask_commands import AskCommands
from bot.discord_client.commands.channel_commands import ChannelCommands
from bot.discord_client.commands.export_commands import ExportCommands
from bot.discord_client.commands.help_commands import HelpCommands
from bot.discord_client.commands.help_text import HelpText
from bot.discord_client.commands.memory_commands import MemoryCommands
from bot.discord_client.commands.model_commands import ModelCommands
from bot.discord_client.commands.persona_commands import PersonaCommands
from bot.discord_client.events.answer_clicks import AnswerClickListener
from bot.discord_client.events.connection import ConnectionListener
from bot.discord_client.events.mentions import MentionListener
from bot.discord_client.events.message_changes import MessageChangeListener
from bot.discord_client.events.presence import PresenceListener
from bot.discord_client.events.thread_titles import ThreadTitles
from bot.discord_client.events.typing_starts import TypingListener
from bot.discord_client.events.welcome import WelcomeListener
from bot.discord_client.guild_permissions import log_lacks
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.incoming.inbox import DiscordInbox
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.interaction_intake import InteractionIntake
from bot.discord_client.incoming.question_threads import QuestionThreads
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.incoming.revision_intake import RevisionIntake
from bot.discord_client.invite import log_invite_link
from bot.discord_client.replies.button_edits import ButtonEdits
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.latest_answers import LatestAnswers
from bot.discord_client.replies.notices import Notices
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.replies.reply_editors import ReplyEditors
from bot.discord_client.replies.revision_delivery import RevisionDelivery
from bot.discord_client.replies.shown_answer import ShownAnswers
from bot.discord_client.replies.typing_indicators import TypingIndicators
from bot.discord_client.rest.pace import RequestPace
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
        settings = self._settings
        place = Place.of(settings)
        ours = {_COMMAND_RECORD, DATABASE_NAME, LOCK_NAME, place.database.file.name}
        close_folder(settings.data_folder, ours, our_folders={DISK_CACHE_NAME, BACKUPS_NAME})
        if settings.engine_options.disk_cache_dir is None:  # nobody would erase from it what people delete
            await asyncio.to_thread(delete_folder, settings.data_folder / DISK_CACHE_NAME)
        async with AsyncExitStack() as closing:
            heartbeats = in_background(self._service_manager.send_heartbeats(), "heartbeats")
            await closing.enter_async_context(heartbeats)  # first, so that they go on until everything else is closed
            self._stage("Opening the database")
            self.storage = await closing.enter_async_context(
                open_own_storage(place, settings.database_address, self.metrics.database_outage)
            )
            conversations = Conversations(self.storage.conversations, settings.system_prompt, self._scopes.of)
            self._modes = ChannelModes(self.storage.modes)
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
            await self._start_monitoring(closing)
            async with self.client:
                self._stage("Logging in to Discord")
                await log_in(self.client, self._token)
                await self._set_up()
                retention = Retention(conversations, settings.retention_days)
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
        for cog in self._cogs(self.client):
            await self.client.add_cog(cog)
        self._stage("Connecting to Discord")

    def _cogs(self, client: PhiClient) -> list[commands.Cog]:
        settings, answering, work, scopes = self._settings, self.answering, self.storage.work, self._scopes
        conversations, running = answering.conversations, client.running_replies
        addressing = self._addressing = Addressing(client, self._modes, settings.ignored_prefix)
        addressing.warn_if_blind()
        mentions, kilobytes = self._command_mentions, settings.max_text_file_kilobytes
        help_text = HelpText(client.tree, mentions, answering, kilobytes, settings.max_waiting_per_person)
        reader = QuestionReader(client, scopes, addressing, kilobytes * 1000, help_text)
        pace = RequestPace()
        reports = RefusalReports(client, pace)
        editors = self._editors(pace, reports)
        latest = LatestAnswers(client, conversations, ButtonEdits(pace, running))
        delivery = ReplyDelivery(client, editors, TypingIndicators(pace), work, running, latest, settings.show_thinking)
        notices = Notices(editors, work, running)
        threads = QuestionThreads(client, scopes, addressing, pace, reports)
        intake = QuestionIntake(answering, reader, delivery, notices, threads, work)
        shown = ShownAnswers(conversations, pace)
        revised = RevisionDelivery(client, editors, conversations, latest, work, running, settings.show_thinking)
        revisions = RevisionIntake(answering, intake, shown, revised, work)
        inbox = DiscordInbox(client, intake, reader, threads, delivery, pace, work, reports, revisions)
        missed_for = timedelta(hours=settings.missed_hours)
        recovery = Recovery(inbox, work, missed_for, pace.pause, addressing.searched)
        return [
            MentionListener(reader, recovery, intake),
            ConnectionListener(recovery, pace),
            MessageChangeListener(conversations, self._modes, reader, editors, latest),
            AnswerClickListener(conversations, latest, shown, revisions, revised, running),
            TypingListener(self._prefill_ahead, scopes),
            ThreadTitles(Titles(answering, self._idle_generation), threads, pace),
            AskCommands(client, InteractionIntake(intake, recovery, scopes), scopes),
            WelcomeListener(pace, mentions),
            PresenceListener(client, self.serving),
            HelpCommands(help_text),
            ExportCommands(conversations, scopes),
            MemoryCommands(answering, running, scopes),
            PersonaCommands(answering, scopes),
            ChannelCommands(self._modes, addressing),
            ModelCommands(self.serving, self.metrics, self.storage, settings.admin_ids),
        ]

    def _editors(self, pace: RequestPace, reports: RefusalReports) -> ReplyEditors:
        return ReplyEditors(
            self.client,
            pace,
            self.answering.conversations,
            self.storage.work,
            reports,
            max_messages=self._settings.max_reply_messages,
            ping_after_seconds=self._settings.ping_after_seconds,
        )
