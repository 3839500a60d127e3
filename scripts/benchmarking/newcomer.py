"""Whether answers keep streaming while the engine prefills a newcomer's long prompt."""

from __future__ import annotations

import time

from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.statistics import longest_pause, pauses_meanwhile, percentile
from benchmarking.stream import STREAMS, two_streams
from bot.engine.interface import Engine, FinishReason, GenerationRequest
from bot.export.timed_generation import MeasureError


async def newcomer(engine: Engine, prompts: Prompts, plan: Plan) -> Figures:
    """Stream two answers, and submit a long prompt that the engine has never seen.

    Returns:
        The longest pause in either answer before the newcomer; the longest and the 99th percentile of both answers'
        pauses until the newcomer's first token; the seconds to that token. If the prefill exceeds the plan's time,
        `skipped` says so.

    Raises:
        MeasureError: an answer ended early.
    """
    async with two_streams(engine, prompts) as streams:
        began = max(stream.arrivals[0] for stream in streams)
        came = time.perf_counter()
        first_token = await _read_prompt(engine, prompts.random_ids("newcomer", plan.newcomer_prompt), plan)
        ended = first_token or time.perf_counter()
    meanwhile = [pause for stream in streams for pause in pauses_meanwhile(stream.arrivals, came, ended)]
    figures: Figures = {
        "prompt_tokens": plan.newcomer_prompt,
        "streams": STREAMS,
        "streamed_tokens_meanwhile": sum(came < each <= ended for stream in streams for each in stream.arrivals),
        "longest_pause_before_seconds": max(longest_pause(stream.arrivals, began, came) for stream in streams),
        "p99_pause_seconds": percentile(meanwhile, 0.99),
        "longest_pause_seconds": max(meanwhile),
        "pauses": len(meanwhile),
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
