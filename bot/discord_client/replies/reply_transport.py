"""How the messages of a reply reach Discord: by the bot's own requests, or by an interaction's token."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import discord


@dataclass(frozen=True, slots=True)
class MessageBody:
    """What one message of a reply is to show.

    Attributes:
        view: the buttons; None removes them.
        attachment: the text of the file that it gets.
        pings: whether it may notify the asker.
    """

    content: str
    view: discord.ui.View | None = None
    attachment: str | None = None
    pings: bool = False

    @property
    def files(self) -> list[discord.File]:
        """The file, new for each try."""
        if self.attachment is None:
            return []
        return [discord.File(io.BytesIO(self.attachment.encode()), filename="answer.md")]


class ReplyRecord(Protocol):
    """Records which messages show an answer."""

    async def sent(self, position: int, message_id: int) -> None:
        """A message shows a part of the answer: the first (0), the second, and so on."""

    async def about_to_delete(self, message_id: int) -> None:
        """A message that shows a part of the answer is about to be deleted."""


class ReplyTransport(Protocol):
    """Sends, edits, deletes and finds the messages of one reply.

    Each method raises `discord.HTTPException` if Discord refuses the request, and `aiohttp.ClientError`, `OSError` or
    `TimeoutError` if it is not known whether Discord has done it.
    """

    @property
    def most_messages(self) -> int:
        """Upper bound for the messages of the reply."""

    @property
    def later(self) -> ReplyTransport | None:
        """What takes over when Discord takes nothing here any more."""

    @property
    def place_id(self) -> int:
        """What Discord counts the requests for: the channel, or the interaction."""

    @property
    def may_attach(self) -> bool:
        """Whether Discord takes files here, as far as is known."""

    @property
    def may_refer(self) -> bool:
        """Whether it takes replies."""

    async def send(self, body: MessageBody, nonce: str, *, refers: bool) -> discord.Message:
        """Send a message.

        Args:
            body: what it shows.
            nonce: the same on each try, so that Discord does not send a message twice whose response was lost.
            refers: whether it is shown as a reply to the question.
        """

    async def edit(self, message: discord.Message, body: MessageBody) -> discord.Message:
        """Change a message."""

    async def delete(self, message: discord.Message, *, opens_thread: bool) -> None:
        """Delete a message, after opening the thread that holds it if that is closed."""

    async def fetch(self, message_id: int) -> discord.Message:
        """Read a message of the reply again."""

    async def find(
        self, known_ids: set[int], also: Callable[[discord.Message], bool] = lambda _: False
    ) -> Sequence[discord.Message]:
        """Messages of the reply that nobody has recorded, because their response was lost."""
