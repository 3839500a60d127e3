"""What a reply should look like: the text so far, the notes below it, and what the channel allows."""

from __future__ import annotations

from collections.abc import Callable

from bot.discord_client.replies.outcome_notes import blocked_note, refused_note
from bot.discord_client.replies.reply_messages import ReplyMessages, Step
from bot.discord_client.replies.splitting import ReplyPlan, plan_reply
from bot.discord_client.replies.thoughts import ShownThought, with_thought
from bot.discord_client.rest.permissions import ATTACH_FILES, READ_MESSAGE_HISTORY
from bot.discord_client.rest.refusal import Refusal
from bot.discord_client.rest.urgency import Action

_MOST_WITHOUT_FILE = 10
"""Messages that an answer takes where it would be a file, but the bot may not attach any."""


class ReplyLayout:
    """Lays one reply out.

    Args:
        messages: know what the channel allows.
        max_messages: upper bound for the messages of the reply; there may be fewer where it is shown.
        send_permission: the permission that a message in the channel needs.
        line_for: the line about a permission that is lacking; "" if the asker knows.
        header: a line above the answer.

    Attributes:
        text: the answer so far.
        note: a line below it.
        finished: whether nothing more is to be shown.
        cut_off: whether the answer ended before the model ended it.
        suspended: whether a restart goes on with the answer, so that it is not complete then.
        thought: what to show of the thought before a finished answer.
        replacement: what to show instead of a text that Discord does not take; "" if it does.
    """

    def __init__(
        self,
        messages: ReplyMessages,
        max_messages: int,
        send_permission: str,
        line_for: Callable[[str], str],
        header: str = "",
    ) -> None:
        self._messages = messages
        self._max_messages = max_messages
        self._send_permission = send_permission
        self._line_for = line_for
        self._header = header
        self._lines: dict[str, str] = {}  # by permission
        self.text = ""
        self.note = ""
        self.finished = False
        self.cut_off = False
        self.suspended = False
        self.thought: ShownThought | None = None
        self.replacement = ""

    def plan(self) -> ReplyPlan:
        """The messages as they should be now."""
        if self.replacement:
            return plan_reply("", header=self._header, note=self.replacement, max_messages=1, finished=True)
        plan = self._laid_out(self.note)
        lines = [self._line(permission) for permission in self._lacking(plan)] if self.finished else []
        if any(lines):
            plan = self._laid_out("\n".join(filter(None, (self.note, *lines))))
        with_file = self._with_thought(plan)
        may_attach = self._messages.may_attach and self._messages.may_send
        return with_file if may_attach or with_file.attachment == plan.attachment else plan

    def replaces_text(self, step: Step, refusal: Refusal) -> bool:
        """Show a line in place of a text that Discord does not take; return False if the text is not the cause."""
        of_text = refusal.of_content or (refusal.of_message and step.attachment is None)
        if not of_text or step.action not in (Action.SEND, Action.EDIT) or self.replacement:
            return False
        self.replacement = blocked_note() if refusal.of_content else refused_note()
        return True

    def _with_thought(self, plan: ReplyPlan) -> ReplyPlan:
        return with_thought(plan, self.text, self.thought) if self.finished else plan

    def _laid_out(self, note: str) -> ReplyPlan:
        messages = self._messages
        most = self._max_messages
        if not messages.may_send:
            most = messages.count
        elif not messages.may_attach:
            most = max(most, _MOST_WITHOUT_FILE)
        most = min(most, messages.most)
        finished = self.finished and not self.suspended
        return plan_reply(
            self.text,
            header=self._header,
            note=note,
            max_messages=most,
            finished=finished,
            cut_off=self.cut_off,
            may_attach=messages.may_attach,
        )

    def _lacking(self, plan: ReplyPlan) -> list[str]:
        """The permissions without which the reply is not as it should be."""
        messages, lacking = self._messages, []
        if not messages.may_refer:
            lacking.append(READ_MESSAGE_HISTORY)
        if not messages.may_send:
            lacking.append(self._send_permission)
        needs_file = len(plan.bodies) > self._max_messages or self._with_thought(plan).attachment is not None
        if needs_file and not messages.may_attach:
            lacking.append(ATTACH_FILES)
        return lacking if plan.bodies else []

    def _line(self, permission: str) -> str:
        if permission not in self._lines:
            self._lines[permission] = self._line_for(permission)
        return self._lines[permission]
