"""Clicks on the buttons below answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from weakref import WeakValueDictionary

import discord
from discord.ext import commands

from bot.answering.queue import QueueClosedError, QueueFullError
from bot.answering.recovery import UnreachableError
from bot.conversation.conversations import Conversations
from bot.conversation.turn import Task, Turn
from bot.discord_client.incoming.revision_intake import RevisionIntake
from bot.discord_client.interaction_errors import refusals_logged, report_error
from bot.discord_client.replies.answer_buttons import AnswerAction, AnswerButton, shows_outdated
from bot.discord_client.replies.latest_answers import LatestAnswers
from bot.discord_client.replies.revision_delivery import RevisionDelivery
from bot.discord_client.replies.running_replies import RunningReplies
from bot.discord_client.replies.shown_answer import ShownAnswer, ShownAnswers
from bot.errors import DatabaseOutageError

_NOT_THEIRS = "Only the member who asked can do that. Ask your own question to get an answer of your own."
_NOT_DELETABLE = "Only the member who asked or a moderator can delete this answer."
_FORGOTTEN = "I do not remember this answer any more. Ask again."
_OLDER = "This answer is not the latest one any more, so it stays as it is. Reply to it to go on from there."
_BUSY = "I am working on this answer already. Wait until it is finished."
_OUTAGE = "The database is unavailable, so I cannot change this answer. Try again in a few minutes."
_UNREACHABLE = "I cannot read my own messages here. Try again, or ask a moderator to give me Read Message History."


class AnswerClickListener(commands.Cog):
    """Revises, turns over and deletes answers.

    Args:
        conversations: know whose answers those are.
        latest: knows which answer has buttons.
        shown: finds the messages of answers.
        revisions: generates again, or goes on.
        delivery: shows versions, and deletes answers.
        running: knows which answers are being generated.
    """

    def __init__(
        self,
        conversations: Conversations,
        latest: LatestAnswers,
        shown: ShownAnswers,
        revisions: RevisionIntake,
        delivery: RevisionDelivery,
        running: RunningReplies,
    ) -> None:
        self._conversations = conversations
        self._latest = latest
        self._shown = shown
        self._revisions = revisions
        self._delivery = delivery
        self._running = running
        self._revising: set[int] = set()  # questions
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # by question

    async def cog_unload(self) -> None:
        """Give up the changes of buttons that are not done yet."""
        self._latest.close()

    @commands.Cog.listener()
    async def on_answer_button(self, interaction: discord.Interaction[Any], button: AnswerButton) -> None:
        """A button was clicked."""
        try:
            await self._click(interaction, button)
        except DatabaseOutageError:
            await _say(interaction, _OUTAGE)
        except UnreachableError:
            await _say(interaction, _UNREACHABLE)
        except Exception as error:  # noqa: BLE001 - discord.py would log it and tell nobody
            await report_error(interaction, error)

    async def _click(self, interaction: discord.Interaction[Any], button: AnswerButton) -> None:
        turn = await self._conversations.turn(button.question_id)
        if turn is None or turn.asked is None:
            await _say_and_remove(interaction, _FORGOTTEN)
            return
        is_asker, deletes = interaction.user.id == turn.asked.author_id, button.action is AnswerAction.DELETE
        if not is_asker and not (deletes and interaction.permissions.manage_messages):
            await _say(interaction, _NOT_DELETABLE if deletes else _NOT_THEIRS)
            return
        async with self._locks.setdefault(turn.id, asyncio.Lock()):
            work = await self._act(interaction, button)
        if work is not None:
            await work

    async def _act(
        self, interaction: discord.Interaction[Any], button: AnswerButton
    ) -> Coroutine[Any, Any, None] | None:
        """Do what a button wants, by what the clicks before have left; return what takes longer."""
        await self._running.wait_until_ended(button.question_id)  # else its record would end the next one's
        turn = await self._conversations.turn(button.question_id)
        if turn is None or turn.asked is None:
            await _say_and_remove(interaction, _FORGOTTEN)
        elif button.action is not AnswerAction.DELETE and await self._conversations.tip_of(turn.key) != turn.id:
            await _say_and_remove(interaction, _OLDER)
        elif self._is_revised(turn.id):
            await _say(interaction, _BUSY)
        elif (shown := await self._shown_at(interaction, turn)) is None:
            await _say_and_remove(interaction, _FORGOTTEN)
        elif button.action is AnswerAction.DELETE:
            await _acknowledge(interaction)
            await self._delivery.delete(shown)
        elif button.action is AnswerAction.SHOW:
            await self._turn_to(interaction, shown, button.number or 1)
        else:
            is_again = button.action is AnswerAction.REGENERATE and shown.is_outdated
            task = Task.ANSWER_AGAIN if is_again else Task(button.action.value)
            return await self._revise(interaction, shown, task)
        return None

    def _is_revised(self, question_id: int) -> bool:
        reply = self._running.get(question_id)
        return question_id in self._revising if reply is None else reply.answer.outcome is None

    async def _shown_at(self, interaction: discord.Interaction[Any], turn: Turn) -> ShownAnswer | None:
        """The answer below which a button was clicked."""
        message = interaction.message
        assert message is not None  # of every button
        latest = self._latest.of(turn.id)
        at_hand = [*latest.editor.messages, message] if latest is not None else [message]
        return await self._shown.find(turn, message.channel, at_hand, is_outdated=shows_outdated(message))

    async def _turn_to(self, interaction: discord.Interaction[Any], shown: ShownAnswer, number: int) -> None:
        version = await self._conversations.versions.show(shown.turn.id, number)
        if version is None:
            await _say_and_remove(interaction, _FORGOTTEN)
            return
        await _acknowledge(interaction)
        await self._delivery.turn_to(shown, version)

    async def _revise(
        self, interaction: discord.Interaction[Any], shown: ShownAnswer, task: Task
    ) -> Coroutine[Any, Any, None] | None:
        try:
            work = self._revisions.take(shown, task)
        except (QueueFullError, QueueClosedError) as refused:
            await _say(interaction, str(refused))
            return None
        self._revising.add(shown.turn.id)
        return self._until_revised(interaction, shown.turn.id, work)

    async def _until_revised(
        self, interaction: discord.Interaction[Any], question_id: int, work: Coroutine[Any, Any, None]
    ) -> None:
        try:
            await _acknowledge(interaction)
            await work
        finally:
            self._revising.discard(question_id)


async def _acknowledge(interaction: discord.Interaction[Any]) -> None:
    """Show the member at once that the click arrived; what follows does not depend on it."""
    with refusals_logged(interaction):
        await interaction.response.defer()


async def _say(interaction: discord.Interaction[Any], line: str) -> None:
    with refusals_logged(interaction):
        await interaction.response.send_message(line, ephemeral=True)


async def _say_and_remove(interaction: discord.Interaction[Any], line: str) -> None:
    """Remove the buttons, which do nothing any more, and say why."""
    with refusals_logged(interaction):
        await interaction.response.edit_message(view=None)
        await interaction.followup.send(line, ephemeral=True)
