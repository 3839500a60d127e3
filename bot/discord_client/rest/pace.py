"""One pace for everything that the bot writes on Discord.

Discord takes 50 requests a second from a bot, and about 5 new messages and 5 edits in 5 s in one channel. discord.py
waits for these limits inside the awaited call, first come, first served. Here requests queue before that: when there
is room, the most urgent one starts, and it decides only then what to write. Requests that can wait leave room in their
channel for those that cannot.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType

import aiohttp

from bot.discord_client.rest.refusal import Refusal, global_limit_seconds
from bot.discord_client.rest.time_limit import on_response
from bot.discord_client.rest.urgency import Action, Urgency
from bot.discord_client.rest.window import Window

# Of the 50, some are for interactions, which discord.py sends on its own.
_REQUESTS, _REQUEST_SECONDS = 40, 1.0
# Not documented; measured on Discord. https://discord.com/developers/docs/topics/rate-limits
_CHANNEL_REQUESTS, _CHANNEL_SECONDS = 5, 5.0
_STILL_SECONDS = 7.0  # a growing text that has not moved for so long becomes more urgent,
_LONGEST_STILL_SECONDS = 9.0  # so that all texts of a channel move at least this often, if that is possible
_GROWTH_SECONDS = 0.6  # between two growing texts of a channel, so that a last text finds room in between
_STALE_SECONDS = 30.0  # the same for a position in the queue
_RETRY_SECONDS = 15.0  # between two times that a success ends all pauses
_KEPT_SECONDS = 30.0  # a request that runs for longer sleeps in discord.py, which gives 5xx 25 s
_SUCCESS = range(200, 300)
_METHODS = {
    Action.SEND: "POST",
    Action.EDIT: "PATCH",
    Action.DELETE: "DELETE",
    Action.TYPING: "POST",
    Action.READ: "GET",
}
_GROWING = (Urgency.STILL_TEXT, Urgency.GROWING_TEXT)


class Slot:
    """One request's turn. As an asynchronous context manager it waits for the turn, and holds it for the block.

    Attributes:
        channel_id: of the channel that the request writes in or reads from.
        since: when the text that it changes last changed, by `time.monotonic`.
    """

    def __init__(self, pace: RequestPace, action: Action, channel_id: int, urgency: Urgency, since: float) -> None:
        self.action = action
        self.channel_id = channel_id
        self.since = since
        self._pace = pace
        self._urgency = urgency
        self._unused = False
        self._ended = False
        self._outer: Token[Callable[[aiohttp.TraceRequestEndParams], None] | None] | None = None
        self._granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def urgency(self) -> Urgency:
        """How urgent it is; it may be raised while the request waits."""
        return self._urgency

    @urgency.setter
    def urgency(self, urgency: Urgency) -> None:
        if urgency < self._urgency:
            self._urgency = urgency
            self._pace._dispatch_soon()

    def give_back(self) -> None:
        """Count the turn as not used: nothing needed to be written any more."""
        self._unused = True

    async def __aenter__(self) -> Slot:
        self._pace._enter(self)
        try:
            await self._granted
        except asyncio.CancelledError:
            self._pace._leave(self, used=False)
            raise
        self._outer = on_response.set(self._note_response)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._outer is not None  # since `__aenter__`
        on_response.reset(self._outer)
        self._pace._leave(self, used=not self._unused)

    def _note_response(self, end: aiohttp.TraceRequestEndParams) -> None:
        # discord.py may return much later: from a channel's fifth request when its limit has passed, up to 5 s later,
        # and from one that is limited after five tries.
        if end.response.status in _SUCCESS and end.method == _METHODS[self.action]:
            self._pace._leave(self, used=True)
        elif (seconds := global_limit_seconds(end.response)) is not None:
            self._pace._pause_all(seconds)

    def _urgency_at(self, now: float) -> Urgency:
        if self._urgency is Urgency.GROWING_TEXT and now - self.since >= _STILL_SECONDS:
            return Urgency.STILL_TEXT
        if self._urgency is Urgency.POSITION and now - self.since >= _STALE_SECONDS:
            return Urgency.STALE_POSITION
        return self._urgency


class RequestPace:
    """Decides which request starts when. Use it from one event loop's thread.

    Args:
        clock: seconds, as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: list[Slot] = []
        self._all = Window(_REQUESTS, _REQUEST_SECONDS, _KEPT_SECONDS)
        self._windows: dict[tuple[Action, int], Window] = {}
        self._growing: Counter[int] = Counter()  # unfinished texts by channel
        self._paused_until = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._dispatching = False
        self._failing = False
        self._retry = asyncio.Event()
        self._retries_from = -math.inf

    def slot(self, action: Action, channel_id: int, urgency: Urgency, since: float = math.inf) -> Slot:
        """A turn for one request; enter it to wait for it."""
        return Slot(self, action, channel_id, urgency, since)

    @contextmanager
    def growing(self, channel_id: int) -> Iterator[None]:
        """Keep room in a channel for the last text of an answer that grows there."""
        self._growing[channel_id] += 1
        try:
            yield
        finally:
            self._growing[channel_id] -= 1
            if not self._growing[channel_id]:
                del self._growing[channel_id]
            self._dispatch_soon()

    def failed(self, slot: Slot, refusal: Refusal) -> None:
        """Start nothing of a kind, or nothing at all, for as long as a refusal says."""
        self._failing = self._failing or refusal.is_passing
        if refusal.retry_after is None:
            return
        if refusal.everywhere:
            self._pause_all(refusal.retry_after)
        else:
            window = self._window(slot)
            window.paused_until = max(window.paused_until, self._clock() + refusal.retry_after)

    def succeeded(self) -> None:
        """End every `pause` if this is the first success after failures.

        What fails while everything else succeeds, such as one message, must not be tried again at each success.
        """
        now = self._clock()
        if self._failing and now >= self._retries_from:
            self._failing = False
            self._retries_from = now + _RETRY_SECONDS
            self.retry_now()

    def retry_now(self) -> None:
        """End every `pause`: Discord can be reached again."""
        self._retry.set()
        self._retry = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Wait between two tries, until `retry_now` at the longest."""
        try:
            async with asyncio.timeout(seconds):
                await self._retry.wait()
        except TimeoutError:
            pass

    def _pause_all(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _enter(self, slot: Slot) -> None:
        self._waiting.append(slot)
        self._dispatch_soon()

    def _leave(self, slot: Slot, *, used: bool) -> None:
        if slot in self._waiting:
            self._waiting.remove(slot)
        elif not slot._ended:
            slot._ended = True
            now = self._clock()
            self._all.end(slot, now, used=used)
            self._window(slot).end(slot, now, used=used)
        self._dispatch_soon()

    def _dispatch_soon(self) -> None:
        """Dispatch once for all that happens in this turn of the event loop."""
        if not self._dispatching:
            self._dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        now = self._clock()
        if now >= self._paused_until:
            for slot in sorted(self._waiting, key=lambda slot: slot._urgency_at(now)):
                if not self._all.has_room(now):
                    break
                window = self._window(slot)
                grows = slot._urgency_at(now) in _GROWING
                if window.has_room(now, self._room_kept_from(slot, now)) and not (grows and now < window.grows_after):
                    self._start(slot, window, now)
                    if grows:
                        window.grows_after = now + _GROWTH_SECONDS
        self._windows = {key: window for key, window in self._windows.items() if not window.is_idle(now)}
        self._wake_at(self._next_change(now), now)

    def _start(self, slot: Slot, window: Window, now: float) -> None:
        if not slot._granted.done():  # it is when its task is being cancelled
            self._waiting.remove(slot)
            self._all.begin(slot, now)
            window.begin(slot, now)
            slot._granted.set_result(None)

    def _room_kept_from(self, slot: Slot, now: float) -> int:
        """How many requests of the same kind must still fit into the channel after this one."""
        growing = self._growing[slot.channel_id]
        match slot._urgency_at(now):
            case Urgency.GROWING_TEXT:
                return growing
            case Urgency.STILL_TEXT:
                needed = math.ceil(growing * _CHANNEL_SECONDS / _LONGEST_STILL_SECONDS)
                return min(1, max(0, _CHANNEL_REQUESTS - needed))
            case Urgency.NOTICE | Urgency.STALE_POSITION:
                return 1
            case Urgency.POSITION:
                return _CHANNEL_REQUESTS - 1
        return 0

    def _window(self, slot: Slot) -> Window:
        # Reads have limits of their own for each route, which discord.py keeps to.
        most = math.inf if slot.action is Action.READ else _CHANNEL_REQUESTS
        return self._windows.setdefault((slot.action, slot.channel_id), Window(most, _CHANNEL_SECONDS))

    def _next_change(self, now: float) -> float:
        """When a waiting request may start that may not start now, unless another one ends before."""
        if not self._waiting:
            return math.inf
        times = [self._paused_until, self._all.next_free(now)]
        for slot in self._waiting:
            window = self._window(slot)
            times += [
                window.next_free(now),
                window.grows_after,
                slot.since + _STILL_SECONDS,
                slot.since + _STALE_SECONDS,
            ]
        return min((at for at in times if at > now), default=math.inf)

    def _wake_at(self, at: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at < math.inf:
            self._timer = asyncio.get_running_loop().call_later(at - now, self._dispatch)
