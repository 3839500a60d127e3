"""Makes the cogs, and the parts of the Discord side that they share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from discord.ext import commands

from bot.answering.idle_generation import IdleGeneration
from bot.answering.prefill_ahead import PrefillAhead
from bot.answering.recovery import Recovery
from bot.answering.titles import Titles
from bot.conversation.channel_modes import ChannelModes
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.client import PhiClient
from bot.discord_client.command_mentions import CommandMentions
from bot.discord_client.commands.ask_commands import AskCommands
from bot.discord_client.commands.channel_commands import ChannelCommands
from bot.discord_client.commands.export_commands import ExportCommands
from bot.discord_client.commands.help_commands import HelpCommands
from bot.discord_client.commands.help_text import HelpText
from bot.discord_client.commands.memory_commands import MemoryCommands
from bot.discord_client.commands.model_commands import ModelCommands
from bot.discord_client.commands.persona_commands import PersonaCommands
from bot.discord_client.events.answer_clicks import AnswerClickListener
from bot.discord_client.events.closed_threads import ClosedThreadListener
from bot.discord_client.events.connection import ConnectionListener
from bot.discord_client.events.mentions import MentionListener
from bot.discord_client.events.message_changes import MessageChangeListener
from bot.discord_client.events.presence import PresenceListener
from bot.discord_client.events.thread_titles import ThreadTitles
from bot.discord_client.events.typing_starts import TypingListener
from bot.discord_client.events.welcome import WelcomeListener
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.incoming.inbox import DiscordInbox
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.interaction_intake import InteractionIntake
from bot.discord_client.incoming.question_threads import QuestionThreads
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.incoming.revision_intake import RevisionIntake
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
from bot.metrics.prometheus import PrometheusMetrics
from bot.serving.service import ModelService
from bot.settings import Settings
from bot.storage.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Cogs:
    """What the cogs are made of."""

    settings: Settings
    client: PhiClient
    storage: Storage
    serving: ModelService
    metrics: PrometheusMetrics
    modes: ChannelModes
    addressing: Addressing
    scopes: ChannelScopes
    command_mentions: CommandMentions
    prefill_ahead: PrefillAhead
    idle_generation: IdleGeneration

    def make(self) -> list[commands.Cog]:
        """Make all cogs, with the parts that only they share."""
        settings, client, scopes, addressing = self.settings, self.client, self.scopes, self.addressing
        answering, work = self.serving.answering, self.storage.work
        conversations, running = answering.conversations, client.running_replies
        mentions, kilobytes = self.command_mentions, settings.max_text_file_kilobytes
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
        missed_for, kept_for = timedelta(hours=settings.missed_hours), timedelta.max
        if settings.retention_days is not None:
            kept_for = timedelta(days=settings.retention_days)
        recovery = Recovery(inbox, work, missed_for, pace.pause, addressing.searched, kept_for)
        return [
            MentionListener(reader, recovery, intake),
            ConnectionListener(recovery, pace),
            MessageChangeListener(conversations, self.modes, reader, editors, latest),
            AnswerClickListener(conversations, latest, shown, revisions, revised, running),
            TypingListener(self.prefill_ahead, scopes),
            ClosedThreadListener(scopes),
            ThreadTitles(Titles(answering, self.idle_generation), threads, pace),
            AskCommands(client, InteractionIntake(intake, recovery, scopes), scopes),
            WelcomeListener(pace, mentions),
            PresenceListener(client, self.serving),
            HelpCommands(help_text),
            ExportCommands(conversations, scopes),
            MemoryCommands(answering, running, scopes),
            PersonaCommands(answering, scopes),
            ChannelCommands(self.modes, addressing),
            ModelCommands(self.serving, self.metrics, self.storage, settings.admin_ids),
        ]

    def _editors(self, pace: RequestPace, reports: RefusalReports) -> ReplyEditors:
        return ReplyEditors(
            self.client,
            pace,
            self.serving.answering.conversations,
            self.storage.work,
            reports,
            max_messages=self.settings.max_reply_messages,
            ping_after_seconds=self.settings.ping_after_seconds,
        )
