"""Which request starts when, in virtual time, with a Discord that counts requests."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import wraps
from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord_client.rest.pace import RequestPace, Slot
from bot.discord_client.rest.refusal import Refusal, RefusalKind
from bot.discord_client.rest.time_limit import on_response
from bot.discord_client.rest.urgency import Action, Urgency
from tests.virtual_time import run_in_virtual_time

HERE, ELSEWHERE = 1, 2
LATENCY_SECONDS = 0.1


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**arguments: Any) -> None:
        run_in_virtual_time(test(**arguments))

    return run


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Discord:
    """Notes requests, and when each arrived."""

    pace: RequestPace
    requests: list[tuple[float, Action, int, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # in order of start

    async def request(
        self, text: str, urgency: Urgency, action: Action = Action.EDIT, channel: int = HERE, since: float = 0.0
    ) -> float:
        """Make a request, and return when its response was there."""
        async with self.pace.slot(action, channel, urgency, since):
            self.texts.append(text)
            await asyncio.sleep(LATENCY_SECONDS / 2)
            self.requests.append((now(), action, channel, text))
            await asyncio.sleep(LATENCY_SECONDS / 2)
        return now()

    def most_in(self, seconds: float, action: Action | None = None) -> int:
        """The most requests that arrived within so many seconds, of one kind or of all."""
        times = [at for at, each, *_ in self.requests if action in (None, each)]
        return max(sum(start <= at < start + seconds for at in times) for start in times)


def discord() -> Discord:
    return Discord(RequestPace(asyncio.get_running_loop().time))


@in_virtual_time
async def test_a_channel_never_gets_more_than_discord_takes() -> None:
    here = discord()
    for action in (Action.SEND, Action.EDIT):
        await asyncio.gather(*(here.request(f"{number}", Urgency.LAST_TEXT, action) for number in range(23)))
        assert here.most_in(5.0, action) == 5
    assert here.texts == 2 * [f"{number}" for number in range(23)], "first come first"


@in_virtual_time
async def test_the_bot_never_makes_more_requests_than_discord_takes() -> None:
    everywhere = discord()
    began = now()
    await asyncio.gather(
        *(everywhere.request("", Urgency.NOTICE, Action.SEND, channel=number % 100) for number in range(400))
    )
    assert everywhere.most_in(1.0) <= 50
    assert now() - began < 400 / 30


@in_virtual_time
async def test_the_most_urgent_request_starts_first() -> None:
    here = discord()
    await asyncio.gather(*(here.request("first", Urgency.LAST_TEXT) for _ in range(5)))
    urgencies = [Urgency.LAST_TEXT, Urgency.FIRST_TEXT, Urgency.NOTICE, Urgency.GROWING_TEXT, Urgency.POSITION]
    with here.pace.growing(HERE):
        await asyncio.gather(*(here.request(each.name, each, since=now() + 60) for each in reversed(urgencies)))
    assert here.texts[5:] == [each.name for each in urgencies]


@in_virtual_time
async def test_a_waiting_request_can_become_more_urgent() -> None:
    here = discord()
    await asyncio.gather(*(here.request("", Urgency.LAST_TEXT) for _ in range(5)))
    for _ in range(3):
        waiting = asyncio.create_task(here.request("growing", Urgency.GROWING_TEXT))
    slot = here.pace.slot(Action.EDIT, HERE, Urgency.GROWING_TEXT)

    async def finish() -> None:
        async with slot:
            here.texts.append("last")

    finishing = asyncio.create_task(finish())
    await asyncio.sleep(1)
    slot.urgency = Urgency.LAST_TEXT
    await asyncio.wait([finishing, waiting])
    assert here.texts[5] == "last"


@in_virtual_time
async def test_a_channel_holds_no_other_up() -> None:
    both = discord()
    slow = [asyncio.create_task(both.request("", Urgency.LAST_TEXT)) for _ in range(50)]
    assert await both.request("", Urgency.TYPING, Action.TYPING, ELSEWHERE) < 1
    for task in slow:
        task.cancel()


@in_virtual_time
async def test_a_cancelled_request_leaves_its_room() -> None:
    here = discord()
    waiting = [asyncio.create_task(here.request("", Urgency.LAST_TEXT)) for _ in range(8)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await here.request("", Urgency.LAST_TEXT) < 1


@in_virtual_time
async def test_an_unused_turn_costs_nothing() -> None:
    here = discord()
    for _ in range(20):
        async with here.pace.slot(Action.EDIT, HERE, Urgency.LAST_TEXT) as slot:
            slot.give_back()
    assert now() < 1


# ------------------------------------------------------------ refusals


def limited(seconds: float, *, everywhere: bool) -> Refusal:
    return Refusal(RefusalKind.PASSING, "429", retry_after=seconds, everywhere=everywhere)


@pytest.mark.parametrize(
    ("everywhere", "until_here", "until_elsewhere"), [(False, 30, 0), (True, 30, 30)], ids=["channel", "everywhere"]
)
@in_virtual_time
async def test_a_rate_limit_is_waited_out(everywhere: bool, until_here: float, until_elsewhere: float) -> None:
    both = discord()
    async with both.pace.slot(Action.SEND, HERE, Urgency.LAST_TEXT) as slot:
        both.pace.failed(slot, limited(30, everywhere=everywhere))
    here, elsewhere, edited = await asyncio.gather(
        both.request("", Urgency.LAST_TEXT, Action.SEND, HERE),
        both.request("", Urgency.LAST_TEXT, Action.SEND, ELSEWHERE),
        both.request("", Urgency.LAST_TEXT, Action.EDIT, HERE),
    )
    assert here == pytest.approx(until_here + LATENCY_SECONDS, abs=0.2)
    assert elsewhere == edited == pytest.approx(until_elsewhere + LATENCY_SECONDS, abs=0.2)


@in_virtual_time
async def test_the_first_success_ends_all_pauses() -> None:
    pace = discord().pace
    paused = asyncio.create_task(pace.pause(1000))
    await asyncio.sleep(1)
    pace.succeeded()
    await asyncio.sleep(0)
    assert not paused.done(), "nothing has failed"
    slot: Slot = pace.slot(Action.SEND, HERE, Urgency.LAST_TEXT)
    pace.failed(slot, Refusal(RefusalKind.PASSING, "503"))
    pace.succeeded()
    await paused
    assert now() < 2


# ------------------------------------------------------------ whole answers


@dataclass
class Answer:
    """One answer's figures, in seconds."""

    first_late: float = 0.0
    last_late: float = 0.0
    moved: list[float] = field(default_factory=list)

    @property
    def longest_still(self) -> float:
        return max((later - earlier for earlier, later in itertools.pairwise(self.moved)), default=0.0)


async def answer(here: Discord, number: int, seconds: float, waits_seconds: float = 0.0) -> Answer:
    """Show a growing answer as a reply's editor does, and before it, if there is room, a position in the queue."""
    first_action = Action.SEND
    if waits_seconds:
        position = asyncio.create_task(here.request(f"{number}", Urgency.POSITION, Action.SEND))
        await asyncio.sleep(waits_seconds)
        first_action = Action.EDIT if position.done() else Action.SEND
        position.cancel()
    figures, ends_at = Answer(), now() + seconds
    began = now()
    with here.pace.growing(HERE):
        figures.moved.append(await here.request(f"{number}", Urgency.FIRST_TEXT, first_action))
        figures.first_late = now() - began
        while now() < ends_at:
            await asyncio.sleep(min(1.2, ends_at - now()))
            slot = here.pace.slot(Action.EDIT, HERE, Urgency.GROWING_TEXT, figures.moved[-1])
            asyncio.get_running_loop().call_at(ends_at, setattr, slot, "urgency", Urgency.LAST_TEXT)
            async with slot:
                here.texts.append(f"{number}")
                await asyncio.sleep(LATENCY_SECONDS)
                here.requests.append((now(), Action.EDIT, HERE, f"{number}"))
            figures.moved.append(now())
        if now() - figures.moved[-1] > 0 or figures.moved[-1] < ends_at:
            await here.request(f"{number}", Urgency.LAST_TEXT)
    figures.last_late = now() - ends_at
    return figures


@in_virtual_time
async def test_sixteen_people_in_one_channel_see_their_answers_in_time() -> None:
    """Two batches of eight; the first token comes after 1 s, the last after 8 s.

    The channel takes 16 new messages and as many edits in 20 s, so the last of all cannot be earlier.
    """
    here = discord()

    figures = await asyncio.gather(*(answer(here, number, 7.0, 1.0 if number < 8 else 9.0) for number in range(16)))
    late = sorted(each.last_late for each in figures)
    assert statistics.median(late) <= 3
    assert late[-1] <= 8
    assert max(each.first_late for each in figures) <= 7
    assert here.most_in(5.0, Action.EDIT) <= 5


@in_virtual_time
async def test_eight_long_answers_in_one_channel_all_keep_moving() -> None:
    here = discord()
    figures = await asyncio.gather(*(answer(here, number, 60.0) for number in range(8)))
    assert max(each.longest_still for each in figures) <= 10
    assert max(each.last_late for each in figures) <= 10, "eight at once, and the channel was busy"
    counts: dict[str, int] = defaultdict(int)
    for text in here.texts:
        counts[text] += 1
    assert max(counts.values()) <= 2 * min(counts.values()), "none is favoured"


@in_virtual_time
async def test_one_long_answer_moves_at_discords_pace() -> None:
    here = discord()
    figures = await answer(here, 0, 60.0)
    assert len(figures.moved) >= 60 / 1.5
    assert figures.last_late <= 1.5


@in_virtual_time
async def test_what_fails_alone_backs_off_although_others_succeed() -> None:
    """One message that Discord cannot edit, say, in a bot that is busy elsewhere."""
    both, tries = discord(), 0

    async def fail() -> None:
        nonlocal tries
        for pause in itertools.chain([2.4, 4.8, 9.6], itertools.repeat(15.0)):
            async with both.pace.slot(Action.EDIT, HERE, Urgency.LAST_TEXT) as slot:
                tries += 1
                both.pace.failed(slot, Refusal(RefusalKind.PASSING, "500"))
            await both.pace.pause(pause)

    async def succeed() -> None:
        for number in itertools.count():
            await both.request("", Urgency.LAST_TEXT, Action.SEND, 1000 + number % 20)
            both.pace.succeeded()

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(100):
            await asyncio.gather(fail(), succeed())
    assert tries <= 15


@in_virtual_time
async def test_requests_that_get_no_answer_hold_up_no_other_channel() -> None:
    """Discord or discord.py may keep a request for minutes, such as one that is rate limited."""
    pace = discord().pace

    async def be_kept(channel: int) -> None:
        async with pace.slot(Action.EDIT, channel, Urgency.LAST_TEXT):
            await asyncio.sleep(300)

    kept = [asyncio.create_task(be_kept(1000 + number // 5)) for number in range(60)]
    await asyncio.sleep(1)
    async with pace.slot(Action.EDIT, HERE, Urgency.LAST_TEXT):
        assert now() < 40
    for task in kept:
        task.cancel()


@in_virtual_time
async def test_a_sleep_of_discord_py_after_a_success_takes_no_room() -> None:
    """It returns from the fifth request of a channel when its limit has passed."""
    pace, times = discord().pace, []

    async def edit() -> None:
        async with pace.slot(Action.EDIT, HERE, Urgency.LAST_TEXT):
            times.append(now())
            respond("GET", 200)  # another request of the same block
            respond("PATCH", 200)
            await asyncio.sleep(5)

    await asyncio.gather(*(edit() for _ in range(15)))
    assert times == pytest.approx(5 * [0.0] + 5 * [5.0] + 5 * [10.0], abs=0.2)
    assert on_response.get() is None


@in_virtual_time
async def test_a_global_limit_that_discord_py_waits_out_stops_everything() -> None:
    """Otherwise requests would gather in discord.py, and all go at once when it is over."""
    pace = discord().pace

    async def be_limited() -> None:
        async with pace.slot(Action.EDIT, HERE, Urgency.LAST_TEXT):
            respond("PATCH", 429, {"X-RateLimit-Global": "true", "Retry-After": "60"})
            await asyncio.sleep(60)

    limited = asyncio.create_task(be_limited())
    await asyncio.sleep(1)
    async with pace.slot(Action.EDIT, ELSEWHERE, Urgency.LAST_TEXT):
        assert now() == pytest.approx(60, abs=0.2)
    await limited


def respond(method: str, status: int, headers: dict[str, str] | None = None) -> None:
    """Let aiohttp report a response."""
    call = on_response.get()
    assert call is not None
    end: Any = SimpleNamespace(method=method, response=SimpleNamespace(status=status, headers=headers or {}))
    call(end)
