"""The one line that the log has of each answer, when it ends."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from bot.answering.answer_figures import AnswerFigures
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.engine.interface import Outcome
from bot.log_context import about_question

logger = logging.getLogger(__name__)

_SUSPENDED = "suspended"


class AnswerReport:
    """A context manager around the delivery of an answer, which logs it at the end of the block.

    What is broken off is `suspended`: a restart goes on with it, and reports its end.

    Args:
        message_id: of the question.
        editor: shows the answer.
        figures: of the answer; None if it was generated before a restart.
    """

    def __init__(self, message_id: int, editor: ReplyEditor, figures: AnswerFigures | None = None) -> None:
        self._message_id = message_id
        self._editor = editor
        self._figures = figures
        self._outcome = _SUSPENDED
        self._naming_it = about_question(message_id)

    def ends(self, outcome: Outcome, *, suspended: bool = False) -> None:
        """The answer ends like this, if Discord takes it."""
        self._outcome = _SUSPENDED if suspended else outcome.reason.value

    def __enter__(self) -> AnswerReport:
        self._naming_it.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        editor, outcome = self._editor, self._outcome
        if error is not None:
            outcome = "failed" if isinstance(error, Exception) else _SUSPENDED
        elif editor.is_taken_back:
            outcome = "taken_back"
        elif outcome != _SUSPENDED and not (editor.takes_more or editor.is_out_of_time):
            outcome = "refused"
        self._log(outcome)
        self._naming_it.__exit__(kind, error, traceback)

    def _log(self, outcome: str) -> None:
        known: dict[str, str | float | int] = {"message_id": self._message_id, "outcome": outcome}
        if self._figures is not None:
            fields = self._figures.fields(self._editor.timing.first_text_at, time.monotonic())
            known |= {name: value for name, value in fields.items() if value is not None}
        known["messages"] = len(self._editor.messages)
        keys = " ".join(f"{name}=%{'.2f' if isinstance(value, float) else 's'}" for name, value in known.items())
        template = f"Answered: {keys}"
        logger.info(template, *known.values())
