"""The bot's end of a request: the stream of its tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from bot.engine.interface import Outcome
from bot.engine.usage import NO_USAGE


class TokenStream:
    """A `Generation` that the supervisor fills with `push` and `finish`, in the same event loop.

    Args:
        on_cancel: called for every cancellation before the end, also when a consumer leaves the iteration early.
    """

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self.outcome: Outcome | None = None
        self.usage = NO_USAGE
        self.on_prefill: Callable[[int], None] = lambda _: None
        self._on_cancel = on_cancel
        self._pieces: asyncio.Queue[tuple[int, ...] | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[tuple[int, ...]]:
        """Yield new token ids as they arrive. Leaving the iteration early cancels the request."""
        try:
            while (ids := await self._pieces.get()) is not None:
                yield ids
            self._pieces.put_nowait(None)  # a second iteration ends at once instead of waiting forever
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Ask the engine to stop; no effect after the end."""
        if self.outcome is None:
            self._on_cancel()

    def push(self, ids: tuple[int, ...]) -> None:
        """Append new token ids."""
        self._pieces.put_nowait(ids)

    def finish(self, outcome: Outcome) -> None:
        """End the stream after the pushed tokens. Only the first call counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._pieces.put_nowait(None)
