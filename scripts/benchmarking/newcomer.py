"""Whether answers keep streaming while the engine prefills a newcomer's long prompt."""

from __future__ import annotations

import asyncio
import time

from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.statistics import longest_pause
from bot.engine.interface import Engine, FinishReason, GenerationRequest
from bot.export.timed_generation import MeasureError

STREAMS = 2
_STREAM_PROMPT_TOKENS = 64
_STREAM_ANSWER_TOKENS = 1024
"""Longer than the newcomer's prefill; then the answers are cancelled."""
_STREAM_SECONDS = 3600.0
_FEW_TOKENS = 8


class _Stream:
    """A streaming answer and the arrival times of its tokens."""

    def __init__(self, engine: Engine, prompt_ids: tuple[int, ...]) -> None:
        self._generation = engine.submit(
            GenerationRequest(prompt_ids, frozenset(), _STREAM_ANSWER_TOKENS, time_limit_seconds=_STREAM_SECONDS)
        )
        self._few = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self.arrivals: list[float] = []

    async def wait_for_few(self) -> None:
        """Wait until a few tokens have arrived."""
        await self._few.wait()
        self.require_running()

    def require_running(self) -> None:
        """Raise MeasureError if the answer has ended."""
        if outcome := self._generation.outcome:
            raise MeasureError(f"an answer ended while it should have streamed ({outcome.reason} {outcome.detail})")

    async def end(self) -> None:
        """Cancel the answer and wait for its end."""
        self._generation.cancel()
        await self._reading

    async def _read(self) -> None:
        async for ids in self._generation:
            self.arrivals += [time.perf_counter()] * len(ids)
            if len(self.arrivals) >= _FEW_TOKENS:
                self._few.set()
        self._few.set()  # an answer with fewer tokens must not block


async def newcomer(engine: Engine, prompts: Prompts, plan: Plan) -> Figures:
    """Stream two answers, and submit a long prompt that the engine has never seen.

    Returns:
        The longest pause in either answer before the newcomer, and until the newcomer's first token, and the seconds
        to that token. If the prefill exceeds the plan's time, `skipped` says so.

    Raises:
        MeasureError: an answer ended early.
    """
    streams = [
        _Stream(engine, prompts.random_ids(f"stream {number}", _STREAM_PROMPT_TOKENS)) for number in range(STREAMS)
    ]
    try:
        await asyncio.gather(*(stream.wait_for_few() for stream in streams))
        began = max(stream.arrivals[0] for stream in streams)
        came = time.perf_counter()
        first_token = await _read_prompt(engine, prompts.random_ids("newcomer", plan.newcomer_prompt), plan)
        ended = first_token or time.perf_counter()
        for stream in streams:
            stream.require_running()
    finally:
        await asyncio.gather(*(stream.end() for stream in streams))
    figures: Figures = {
        "prompt_tokens": plan.newcomer_prompt,
        "streams": STREAMS,
        "streamed_tokens_meanwhile": sum(came < each <= ended for stream in streams for each in stream.arrivals),
        "longest_pause_before_seconds": max(longest_pause(stream.arrivals, began, came) for stream in streams),
        "longest_pause_seconds": max(longest_pause(stream.arrivals, came, ended) for stream in streams),
    }
    if first_token is None:
        return figures | {"skipped": f"the newcomer's prompt was not read within {plan.newcomer_seconds:.0f} s"}
    return figures | {"first_token_seconds": first_token - came}


async def _read_prompt(engine: Engine, prompt_ids: tuple[int, ...], plan: Plan) -> float | None:
    """Ask for one token; return when it arrived, or None if the time limit came first."""
    generation = engine.submit(
        GenerationRequest(prompt_ids, frozenset(), max_new_tokens=1, time_limit_seconds=plan.newcomer_seconds)
    )
    arrived = None
    async for _ in generation:
        arrived = time.perf_counter()
    outcome = generation.outcome
    assert outcome is not None  # the iteration has ended
    if outcome.reason not in (FinishReason.LENGTH, FinishReason.TIMEOUT):
        raise MeasureError(f"the newcomer got no answer ({outcome.reason}: {outcome.detail})")
    return arrived
