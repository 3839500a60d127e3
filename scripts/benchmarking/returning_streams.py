"""What writing to the disk cache, and loading from it, costs answers that stream meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarking.disk import empty_page_cache, settled_bytes
from benchmarking.measures import Figures
from benchmarking.returning_engine import WITH, WITHOUT, DiskWatch, Setup, loaded_engine
from benchmarking.statistics import longest_pause, pauses, percentile
from benchmarking.stream import STREAM_ANSWER_TOKENS, STREAMS, two_streams
from bot.engine.interface import Engine, EngineOptions
from bot.export.timed_generation import generate

_PHASES = ("reading", "writing")


async def beside_streams(setup: Setup) -> Figures:
    """Stream two answers while a prompt is read and written, and while a conversation is loaded.

    Returns:
        of the phases `reading` (until the prompt's first token) and `writing` (the steps after it) the streams' pauses
        `with` and `without` the disk cache, in turn, and the ratio of their medians in each run; the longest pause
        while a conversation is `loading`.
    """
    plan = setup.plan
    tokens = plan.returning_newcomer + plan.returning_history + (STREAMS + 1) * STREAM_ANSWER_TOKENS
    options = setup.disk_options("streams", tokens, setup.disk_gigabytes(plan.returning_runs, tokens))
    page_cache = await _store_histories(setup, options)
    found: dict[str, list[Figures]] = {WITH: [], WITHOUT: []}
    loads = []
    async with (
        loaded_engine(options, watch := DiskWatch()) as with_disk,
        loaded_engine(setup.memory_options(tokens)) as without,
    ):
        for number in range(plan.returning_runs):
            setup.say(f"run {number + 1} of {plan.returning_runs} beside two streams")
            sides = [(WITH, with_disk), (WITHOUT, without)]
            for side, engine in sides if number % 2 == 0 else reversed(sides):
                found[side].append(await _beside_newcomer(setup, engine, number, watch))
            loads.append(await _beside_load(setup, with_disk, number, watch))
    return {
        "page_cache": page_cache,
        "longest_pause_setting": options.longest_pause_seconds,
        **{side: {phase: _summary(runs, phase) for phase in _PHASES} for side, runs in found.items()},
        "ratios": {phase: _ratios(found, phase) for phase in _PHASES},
        "written_bytes": median(each["written_bytes"] for each in found[WITH]),
        "loading": {
            "longest_pause_seconds": max(each["longest_pause_seconds"] for each in loads),
            "first_token_seconds": median(each["first_token_seconds"] for each in loads),
            "from_disk_share": median(each["from_disk_share"] for each in loads),
        },
        "all_loads": loads,
    }


async def _store_histories(setup: Setup, options: EngineOptions) -> str:
    """Leave a conversation for each run on disk, and out of memory; return what became of the page cache."""
    assert options.disk_cache_dir is not None
    async with loaded_engine(options) as engine:
        for number in range(setup.plan.returning_runs):
            setup.say(f"conversation {number + 1} of {setup.plan.returning_runs} to load later")
            await generate(engine, _history(setup, number), setup.plan.returning_answer)
        await settled_bytes(options.disk_cache_dir)
    return empty_page_cache(options.disk_cache_dir, whole=setup.plan.returning_empties_page_cache)


def _history(setup: Setup, number: int) -> tuple[int, ...]:
    return setup.prompts.random_ids(f"returning beside streams {number}", setup.plan.returning_history)


async def _beside_newcomer(setup: Setup, engine: Engine, number: int, watch: DiskWatch) -> Figures:
    """Return the streams' pauses while a new prompt is read, and in the steps after it."""
    plan, written = setup.plan, watch.written_bytes
    prompt = setup.prompts.random_ids(f"returning newcomer {number}", plan.returning_newcomer)
    async with two_streams(engine, setup.prompts) as streams:
        came = time.perf_counter()
        run = await generate(engine, prompt, 1)
        targets = [len(stream.arrivals) + plan.returning_steps for stream in streams]
        for stream, target in zip(streams, targets, strict=True):
            await stream.wait_for(target)
        ended = time.perf_counter()
    return {
        "reading": [pause for stream in streams for pause in pauses(stream.arrivals, came, run.ended)],
        "writing": [pause for stream in streams for pause in pauses(stream.arrivals, run.ended, ended)],
        "written_bytes": watch.written_bytes - written,
    }


async def _beside_load(setup: Setup, engine: Engine, number: int, watch: DiskWatch) -> Figures:
    """Return the streams' longest pause while a conversation that only the disk holds gets its next token."""
    async with two_streams(engine, setup.prompts) as streams:
        came = time.perf_counter()
        run = await generate(engine, _history(setup, number), 1)
        return {
            "longest_pause_seconds": max(longest_pause(each.arrivals, came, run.ended) for each in streams),
            "first_token_seconds": run.first_token_seconds,
            "from_disk_share": watch.from_disk,
        }


def _summary(runs: Sequence[Figures], phase: str) -> Figures:
    found = [pause for each in runs for pause in each[phase]]
    return {
        "median_seconds": percentile(found, 0.5),
        "p95_seconds": percentile(found, 0.95),
        "worst_seconds": max(found),
        "all_median_seconds": [median(each[phase]) for each in runs],
    }


def _ratios(found: dict[str, list[Figures]], phase: str) -> Figures:
    """Return how many times longer the pauses are with the disk cache: by run, least and most."""
    pairs = list(zip(found[WITH], found[WITHOUT], strict=True))
    medians = [median(ours[phase]) / median(theirs[phase]) for ours, theirs in pairs]
    p95 = [percentile(ours[phase], 0.95) / percentile(theirs[phase], 0.95) for ours, theirs in pairs]
    return {
        "median": {"median": median(medians), "least": min(medians), "most": max(medians)},
        "p95": {"median": median(p95), "least": min(p95), "most": max(p95)},
    }
