"""The buttons below the latest answer of a conversation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import discord

MOST_VERSIONS = 20


class AnswerAction(StrEnum):
    """What a button wants."""

    REGENERATE = "regenerate"
    CONTINUE = "continue"
    SHOW = "version"  # another version, which the button names
    DELETE = "delete"


_LABELS = {AnswerAction.REGENERATE: "Regenerate", AnswerAction.CONTINUE: "Continue", AnswerAction.DELETE: "Delete"}
_OUTDATED_LABEL = "Answer again"


class AnswerButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"(?P<action>regenerate|continue|version|delete):(?P<question>\d+)(:(?P<number>\d+))?",
):
    """Does something about an answer. Its custom id names the question, so it still works after a restart.

    A click dispatches the event `answer_button` with the interaction and this button.

    Args:
        action: what it does.
        question_id: whose answer that is about.
        number: of the version to show.
        button: how it looks; by default as discord.py found it.
    """

    def __init__(
        self,
        action: AnswerAction,
        question_id: int,
        number: int | None = None,
        button: discord.ui.Button[Any] | None = None,
    ) -> None:
        self.action = action
        self.question_id = question_id
        self.number = number
        button = button or discord.ui.Button(label=_LABELS.get(action))
        button.custom_id = f"{action}:{question_id}" + ("" if number is None else f":{number}")
        super().__init__(button)

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003 - discord.py's signature
        item: discord.ui.Item[Any],  # noqa: ARG003 - as above
        match: re.Match[str],
        /,
    ) -> Self:
        """Rebuild the button from a click on it."""
        number = match["number"]
        return cls(AnswerAction(match["action"]), int(match["question"]), None if number is None else int(number))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Have the click handled."""
        interaction.client.dispatch("answer_button", interaction, self)


@dataclass(frozen=True, slots=True)
class AnswerButtons:
    """The buttons below the latest answer of a conversation.

    Attributes:
        version: the number of the shown version, 1 for the first.
        versions: how many there are.
        continues: whether it ended at the longest length, so that it can go on.
        is_outdated: whether its question was edited since.
    """

    question_id: int
    version: int = 1
    versions: int = 1
    continues: bool = False
    is_outdated: bool = False

    def view(self) -> discord.ui.View:
        """The buttons, new for each request."""
        view = discord.ui.View(timeout=None)
        if self.versions > 1:
            view.add_item(self._turner("\N{BLACK LEFT-POINTING TRIANGLE}", self.version - 1))
            view.add_item(self._turner(f"{self.version}/{self.versions}", self.version))
            view.add_item(self._turner("\N{BLACK RIGHT-POINTING TRIANGLE}", self.version + 1))
        if self.versions < MOST_VERSIONS:
            view.add_item(self._button(AnswerAction.REGENERATE, _OUTDATED_LABEL if self.is_outdated else None))
        if self.continues:
            view.add_item(self._button(AnswerAction.CONTINUE))
        view.add_item(self._button(AnswerAction.DELETE))
        return view

    def _turner(self, label: str, number: int) -> AnswerButton:
        is_possible = 1 <= number <= self.versions and number != self.version
        button = discord.ui.Button[discord.ui.View](label=label, disabled=not is_possible, row=0)
        return AnswerButton(AnswerAction.SHOW, self.question_id, number, button)

    def _button(self, action: AnswerAction, label: str | None = None) -> AnswerButton:
        is_proposed = label is not None
        style = discord.ButtonStyle.primary if is_proposed else discord.ButtonStyle.secondary
        button = discord.ui.Button[discord.ui.View](label=label or _LABELS[action], style=style, row=1)
        return AnswerButton(action, self.question_id, button=button)


def shows_outdated(message: discord.Message) -> bool:
    """Whether the buttons below a message say that its question was edited."""
    return any(
        getattr(button, "label", None) == _OUTDATED_LABEL
        for row in message.components
        if isinstance(row, discord.ActionRow)
        for button in row.children
    )
