"""An intake on a loopback Discord whose engine is closed: every answer ends at its turn, with the note "Stopped."."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
import pytest_asyncio

from bot.answering.queue import QuestionQueue
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.budget import Budget
from bot.conversation.channel_modes import ChannelModes
from bot.conversation.conversations import Conversations
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.incoming.inbox import DiscordInbox
from bot.discord_client.incoming.intake import QuestionIntake
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
from bot.engine.interface import EngineOptions, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.storage.mode_store import DatabaseModeStore
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import open_memory
from tests.discord_client.stage import Stage
from tests.phi3_tokenizer import write_phi3_tokenizer


@dataclass(frozen=True)
class Incoming:
    """The way of a message into the queue, and everything around it."""

    stage: Stage
    queue: QuestionQueue
    conversations: Conversations
    modes: ChannelModes
    work: DatabaseWorkStore
    reader: QuestionReader
    editors: ReplyEditors
    latest: LatestAnswers
    intake: QuestionIntake
    inbox: DiscordInbox

    async def mention(self, text: str, by: str = "Grace", **more: Any) -> discord.Message:
        """Mention the bot; return the message as the client received it."""
        return await self.stage.say(f"<@{self.stage.server.bot.id}> {text}", by=by, **more)

    async def unfinished(self) -> list[int]:
        """The messages that a restart would answer."""
        return [question.message_id for question in await self.work.unfinished()]


@pytest_asyncio.fixture(loop_scope="session")
async def incoming(stage: Stage, tmp_path: Path) -> AsyncIterator[Incoming]:
    builder = write_phi3_tokenizer(tmp_path).builder
    engine = EngineSupervisor(EngineOptions(engine="paged", model_dir=tmp_path))
    await engine.close()
    queue = QuestionQueue(most_running=1, most_waiting=2, most_waiting_per_person=1)
    async with open_memory(tmp_path) as memory:
        model = ServedModel(engine, builder, Budget(4096, 100), Sampling(), time_limit_seconds=10.0)
        conversations, work = memory.conversations(), DatabaseWorkStore(memory.journal)
        scopes, modes = ChannelScopes(stage.client, "channel"), ChannelModes(DatabaseModeStore(memory.journal))
        await modes.load()
        addressing = Addressing(stage.client, modes, "//")
        reader = QuestionReader(stage.client, scopes, addressing, largest_files=1000)
        pace, running = RequestPace(), stage.client.running_replies
        reports = RefusalReports(stage.client, pace)
        editors = ReplyEditors(stage.client, pace, conversations, work, reports, max_messages=3)
        latest = LatestAnswers(stage.client, conversations, ButtonEdits(pace, running))
        delivery = ReplyDelivery(stage.client, editors, TypingIndicators(pace), work, running, latest)
        notices = Notices(editors, work, running)
        threads = QuestionThreads(stage.client, scopes, addressing, pace, reports)
        answering = AnswerService(model, conversations, queue)
        intake = QuestionIntake(answering, reader, delivery, notices, threads, work)
        revised = RevisionDelivery(stage.client, editors, conversations, latest, work, running)
        revisions = RevisionIntake(answering, intake, ShownAnswers(conversations, pace), revised, work)
        inbox = DiscordInbox(stage.client, intake, reader, threads, delivery, pace, work, reports, revisions)
        yield Incoming(stage, queue, conversations, modes, work, reader, editors, latest, intake, inbox)
        inbox.close()
        latest.close()


@pytest.fixture
def paused(incoming: Incoming) -> Incoming:
    """Nothing starts until the queue is resumed."""
    incoming.queue.pause()
    return incoming
