"""The text of `/help`, which a mention without a question gets, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands

from bot.answering.service import AnswerService
from bot.discord_client.command_mentions import CommandMentions
from bot.discord_client.incoming.remarks import GREETING

_HOW = f"{GREETING} Replies to my answers and direct messages need no mention."
_CANNOT = (
    "**What I cannot do:** see pictures, hear, open links, or look anything up. What I say can be wrong, so check what "
    "matters."
)

_WORDS_PER_TOKEN = 0.75


@dataclass(frozen=True, slots=True)
class HelpText:
    """Describes the bot from its registered commands and its present limits.

    Attributes:
        tree: the client's commands.
        mentions: of those commands.
        answering: knows the model's context.
        largest_files_kilobytes: upper bound for the text files of one question together.
        most_waiting_per_person: how many questions of one member may wait.
    """

    tree: app_commands.CommandTree[Any]
    mentions: CommandMentions
    answering: AnswerService
    largest_files_kilobytes: int
    most_waiting_per_person: int

    def __call__(self) -> str:
        """The whole text, in the length of one message."""
        return "\n".join([_HOW, "**Commands**", *self._commands(), self._limits(), _CANNOT])

    def _commands(self) -> Iterator[str]:
        slash = self.tree.walk_commands(type=discord.AppCommandType.chat_input)
        for command in sorted(slash, key=lambda each: each.qualified_name):
            if isinstance(command, app_commands.Command):
                yield f"- {self.mentions.of(command)}: {command.description}"
        for menu in self.tree.get_commands(type=discord.AppCommandType.message):
            yield f"- **{menu.name}**: in a message's menu, under Apps"

    def _limits(self) -> str:
        budget = self.answering.model.budget
        questions = "1 question" if self.most_waiting_per_person == 1 else f"{self.most_waiting_per_person} questions"
        words = round(budget.context_length * _WORDS_PER_TOKEN, -2)
        return (
            f"**Limits:** I see at most {budget.context_length:,} tokens at once, about {words:,.0f} English words, "
            f"and an answer has at most {budget.reserve:,} of them. The text files of one question may have "
            f"{self.largest_files_kilobytes:,} KB, and {questions} of yours may wait."
        )
