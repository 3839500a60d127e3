"""The bot's end of one request: where its tokens arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from bot.engine.interface import Outcome


class TokenStream:
    """A `Generation` that somebody in the same event loop fills with `push` and `finish`.

    Attributes:
        outcome: how the request ended; None while it runs.
    """

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        """Create a stream.

        Args:
            on_cancel: called when somebody wants the request to end early.
        """
        self.outcome: Outcome | None = None
        self._on_cancel = on_cancel
        self._pieces: asyncio.Queue[tuple[int, ...] | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[tuple[int, ...]]:
        """Yield new token ids as they come. Leaving the iteration early cancels the request."""
        try:
            while (ids := await self._pieces.get()) is not None:
                yield ids
            self._pieces.put_nowait(None)  # a second iteration ends at once instead of waiting for good
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Ask for the request to end; nothing happens if it has ended."""
        if self.outcome is None:
            self._on_cancel()

    def push(self, ids: tuple[int, ...]) -> None:
        """Add newly generated token ids."""
        self._pieces.put_nowait(ids)

    def finish(self, outcome: Outcome) -> None:
        """End the stream after what was pushed. Only the first call counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._pieces.put_nowait(None)
