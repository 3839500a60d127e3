"""The messages that show one answer, and the requests that bring them up to a plan, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import discord

from bot.discord_client.replies.outcome_notes import moved_note
from bot.discord_client.replies.reply_buttons import ReplyButtons
from bot.discord_client.replies.reply_transport import MessageBody, ReplyRecord, ReplyTransport
from bot.discord_client.replies.splitting import ReplyPlan
from bot.discord_client.rest.refusal import Refusal, refusal_of
from bot.discord_client.rest.urgency import Action

_NONCE_SECONDS = 120.0  # Discord remembers a nonce for "a few minutes"


@dataclass(slots=True)
class _Sent:
    message: discord.Message
    body: str
    buttons: ReplyButtons | None
    has_unknown_buttons: bool = False  # from before a restart


@dataclass(frozen=True, slots=True)
class Step:
    """One request towards a plan.

    Attributes:
        action: what it does.
        index: of the message in the reply.
        buttons: what the message gets.
        attachment: the text of the file that it gets.
    """

    action: Action
    index: int
    body: str = ""
    buttons: ReplyButtons | None = None
    attachment: str | None = None


class ReplyMessages:
    """The messages of one reply.

    Args:
        question_id: of the message, or of the interaction, that asked.
        transport: makes the requests.
        record: learns which messages show the answer.
        sent: messages from before a restart that show the answer already.

    Attributes:
        may_attach: whether Discord takes files here, as far as is known.
        may_refer: whether it takes replies.
        may_send: whether it takes further messages.
        is_out_of_time: whether Discord takes no more of the reply, here or elsewhere.
    """

    def __init__(
        self,
        question_id: int,
        transport: ReplyTransport,
        record: ReplyRecord,
        sent: Sequence[discord.Message] = (),
    ) -> None:
        self._question_id = question_id
        self._transport = transport
        self._record = record
        self._sent = list(map(_shown_by, sent))
        self._outdated: list[_Sent] = []  # to be deleted
        self._series = 0  # of nonces; another one makes new messages of the same places
        self._unsure_since: float | None = None  # the next message may have arrived since
        self._pings = False
        self._opens_thread = False
        self._may_delete = True
        self.may_attach = transport.may_attach
        self.may_refer = transport.may_refer
        self.may_send = True
        self.is_out_of_time = False
        self._left: tuple[ReplyTransport, list[_Sent]] | None = None  # where it was shown before it moved

    @property
    def place_id(self) -> int:
        """What Discord counts the requests for."""
        return self._transport.place_id

    @property
    def most(self) -> int:
        """How many messages the reply may have where it is shown now."""
        return self._transport.most_messages

    @property
    def count(self) -> int:
        """How many messages of the reply Discord shows."""
        return len(self._sent)

    @property
    def shown(self) -> Sequence[discord.Message]:
        """The messages of the reply that Discord shows."""
        return [sent.message for sent in self._sent]

    def begin_anew(self, *, pings: bool = False) -> None:
        """Show the reply in new messages, and delete the earlier ones as soon as there is one.

        Args:
            pings: whether the first of them notifies the asker.
        """
        if self._sent:
            self._outdated += self._sent
            self._sent = []
            self._series += 1
        self._pings = pings

    def move_on(self) -> bool:
        """Show the reply elsewhere, where Discord takes more; return False if there is no such place."""
        if self._transport.later is None or self.is_out_of_time:
            return False
        self._left = self._transport, self._outdated + self._sent
        self._go_on_by(self._transport.later, [])
        self._series += 1
        return True

    def next_step(self, plan: ReplyPlan, buttons: ReplyButtons | None, *, growing: bool) -> Step | None:
        """The next request towards a plan; None if Discord shows it.

        A message that a growing text needs no longer stays, because the text may need it again.

        Args:
            plan: how the messages should be.
            buttons: below the last one.
            growing: whether the text may still grow.
        """
        if self._outdated and self._sent:
            return Step(Action.DELETE, len(self._sent) - 1)
        last = len(plan.bodies) - 1
        for index, body in enumerate(plan.bodies):
            below = buttons if index == last else None
            attachment = plan.attachment if index == last else None
            if index == len(self._sent):
                return Step(Action.SEND, index, body, below, attachment)
            sent = self._sent[index]
            lacks_file = attachment is not None and not sent.message.attachments
            if lacks_file or sent.has_unknown_buttons or (sent.body, sent.buttons) != (body, below):
                return Step(Action.EDIT, index, body, below, attachment)
        if not growing and len(self._sent) > len(plan.bodies) > 0:
            return Step(Action.DELETE, len(self._sent) - 1)
        return None

    def next_removal(self, line: str) -> Step | None:
        """The next request that takes the reply back; None if Discord shows nothing of it.

        Args:
            line: takes the place of each message that Discord does not delete.
        """
        if self._unsure_since is not None:
            return Step(Action.READ, 0)
        if self._may_delete:
            return Step(Action.DELETE, 0) if self._outdated or self._sent else None
        for index, sent in enumerate(self._sent):
            if sent.body != line or sent.buttons is not None or sent.has_unknown_buttons:
                return Step(Action.EDIT, index, line)
        return None

    async def take(self, step: Step) -> None:
        """Make one request.

        Raises:
            discord.HTTPException: Discord refuses it.
            aiohttp.ClientError, OSError, TimeoutError: it is not known whether Discord has done it.
        """
        if step.action is Action.SEND:
            await self._send(step)
        elif step.action is Action.EDIT:
            await self._edit(self._sent[step.index], step)
        elif step.action is Action.READ:
            self._sent += map(_shown_by, await self._unrecorded())
            self._unsure_since = None
        else:
            await self._delete()

    def adapt(self, step: Step, refusal: Refusal) -> bool:
        """Find another way for a request that was refused for good; return False if there is none."""
        if step.action is Action.SEND and self.may_refer and refusal.needs_history:
            self.may_refer = False
        elif refusal.of_ended_token and self.move_on():
            pass
        elif step.action is Action.SEND and refusal.of_closed_thread and self.move_on():
            pass  # the thread is locked
        elif step.action is Action.SEND and self._left is not None and not refusal.is_passing:
            self._go_on_by(*self._left)  # the asker takes no direct messages
            self._left, self.is_out_of_time = None, True
        elif step.action is Action.EDIT and refusal.of_closed_thread and self.may_send:
            self.begin_anew()  # a new message opens the thread again
        elif step.attachment is not None and self.may_attach and not refusal.is_gone:
            self.may_attach = False
        elif step.action is Action.DELETE:
            # Somebody else has deleted it, or nobody can.
            (self._outdated or self._sent).pop()
        elif step.action is Action.SEND and refusal.of_channel and not refusal.is_gone and self._keep_to_messages():
            self.may_send = False
        else:
            return False
        return True

    def adapt_removal(self, step: Step, refusal: Refusal) -> bool:
        """Find another way for a request of `next_removal`; return False if there is none."""
        if step.action is Action.READ:
            self._unsure_since = None
        elif step.action is Action.DELETE and (refusal.is_gone or refusal.of_ended_token):
            (self._outdated or self._sent).pop()
        elif step.action is Action.DELETE and refusal.of_closed_thread and not self._opens_thread:
            self._opens_thread = True
        elif step.action is Action.DELETE:
            self._may_delete = False
            self._sent, self._outdated = self._outdated + self._sent, []
        else:
            return False
        return True

    def _go_on_by(self, transport: ReplyTransport, sent: list[_Sent]) -> None:
        self._transport, self._sent, self._outdated = transport, sent, []
        self._unsure_since = None
        self.may_attach, self.may_refer, self.may_send = transport.may_attach, transport.may_refer, True

    def _keep_to_messages(self) -> bool:
        """Go on with the messages that there are; return False if there are none."""
        if not self._sent:
            self._sent, self._outdated = self._outdated, []
        return bool(self._sent)

    async def _send(self, step: Step) -> None:
        if arrived := await self._arrived(step):
            await self._add(step, arrived)
            return
        self._unsure_since = self._unsure_since or time.monotonic()
        series = f"-{self._series}" if self._series else ""
        message = await self._transport.send(
            self._body(step, pings=self._pings and step.index == 0),
            nonce=f"{self._question_id}-{step.index}{series}",
            refers=step.index == 0 and self.may_refer,
        )
        if any(message.id == sent.message.id for sent in (*self._sent, *self._outdated)):
            # Before a restart it had this place, but the first message of the reply has been deleted since.
            self._series += 1
            return
        await self._add(step, message)

    async def _arrived(self, step: Step) -> discord.Message | None:
        """The message that an earlier try has sent, where its nonce is too old to find out by sending it again."""
        if self._unsure_since is None or time.monotonic() - self._unsure_since < _NONCE_SECONDS:
            return None
        try:
            # One that refers to another question says the same to somebody else.
            found = await self._unrecorded(lambda message: message.reference is None and message.content == step.body)
        except discord.Forbidden:
            return None
        return found[0] if found else None

    async def _unrecorded(self, also: Callable[[discord.Message], bool] = lambda _: False) -> Sequence[discord.Message]:
        known = {sent.message.id for sent in (*self._sent, *self._outdated)}
        return await self._transport.find(known, also)

    async def _add(self, step: Step, message: discord.Message) -> None:
        # What an earlier try sent has an older text: the next step is then an edit.
        self._unsure_since = None
        self._sent.append(_shown_by(message))
        await self._record.sent(step.index, message.id)
        if self._left is not None:
            await self._leave(*self._left)

    async def _leave(self, transport: ReplyTransport, sent: Sequence[_Sent]) -> None:
        """Say where the reply goes on, and take the rest of it away, as far as Discord still lets the bot."""
        self._left = None
        for each in sent:
            await self._record.about_to_delete(each.message.id)
        try:
            for each in sent[:1]:
                await transport.edit(each.message, MessageBody(moved_note()))
            for each in sent[1:]:
                await transport.delete(each.message, opens_thread=False)
        except Exception as error:
            if refusal_of(error) is None:
                raise

    async def _edit(self, sent: _Sent, step: Step) -> None:
        # The bot mentions nobody else, and an edit without it would take the mention back.
        body = self._body(step, pings=bool(sent.message.mentions))
        sent.message = await self._transport.edit(sent.message, body)
        sent.body, sent.buttons, sent.has_unknown_buttons = step.body, step.buttons, False

    def _body(self, step: Step, *, pings: bool) -> MessageBody:
        return MessageBody(step.body, step.buttons.view() if step.buttons else None, step.attachment, pings)

    async def _delete(self) -> None:
        messages = self._outdated or self._sent
        await self._record.about_to_delete(messages[-1].message.id)
        await self._transport.delete(messages[-1].message, opens_thread=self._opens_thread)
        messages.pop()


def _shown_by(message: discord.Message) -> _Sent:
    return _Sent(message, message.content, None, bool(message.components))
