"""What drafts are worth in three kinds of work: an engine that drafts and one that does not, asked in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path

from benchmarking.drafts_comparison import share, spread
from benchmarking.drafts_prompts import work_prompts
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.returning_engine import loaded_engine
from benchmarking.statistics import equal_share, identical
from bot.engine.interface import Engine, FinishReason, GenerationRequest
from bot.engine.observer import BatchState
from bot.export.timed_generation import TIME_LIMIT_SECONDS, MeasureError, TimedGeneration
from bot.model.folder import ModelFolder
from bot.settings import load_settings

ON, OFF = "on", "off"
_CACHE_GIGABYTES = 1.0
"""Enough for one conversation; both engines are in memory."""


class DraftsWatch:
    """An `EngineObserver` that keeps the latest counters.

    Attributes:
        state: as of the latest step.
    """

    def __init__(self) -> None:
        self.state = BatchState()

    def engine_stepped(self, state: BatchState) -> None:
        """Keep the counters."""
        self.state = state

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it; what was asked meanwhile fails."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A timed answer.

    Attributes:
        chosen: its tokens, and the stop token if one ended it.
        drafted: tokens that were drafted for it.
        accepted: how many of them were right.
    """

    run: TimedGeneration
    chosen: int
    drafted: int
    accepted: int

    @property
    def steps(self) -> int:
        """The steps that chose its tokens: each chooses one, and accepts what was drafted right."""
        return self.chosen - self.accepted

    @property
    def decode_seconds(self) -> float:
        """From its first token to its last."""
        return self.run.ended - self.run.arrivals[0][0]

    @property
    def decoded(self) -> int:
        """The tokens that came in that time."""
        return len(self.run.ids) - self.run.arrivals[0][1]


@dataclass(frozen=True, slots=True)
class _Side:
    engine: Engine
    watch: DraftsWatch


Rounds = list[list[Answer]]
"""The answers to each prompt, by round."""


async def drafts(
    folder: ModelFolder,
    plan: Plan,
    parent: Path,  # noqa: ARG001 - every part of the benchmark gets it; this one writes nothing
    say: Callable[[str], None],
    *,
    draft_model: Path | None,
) -> Figures:
    """Ask each question with drafts and without, in turn, in the bot's own engine processes.

    Args:
        folder: the model that answers, greedily.
        say: called with a line of progress.
        draft_model: the folder of a draft model for the engine that drafts.

    Returns:
        `kinds` by name, with both speeds, acceptance and agreement, and `draft_model`'s name.

    Raises:
        ConfigurationError: an engine does not load.
        MeasureError: an answer failed.
    """
    settings = load_settings(
        env_file=None,
        model_dir=folder.path,
        engine="paged",
        kv_disk_gigabytes=0,
        kv_cache_gigabytes=_CACHE_GIGABYTES,
        draft_model_dir=draft_model,
    )
    options, prompts = settings.engine_options, Prompts(folder)
    found: dict[str, dict[str, Rounds]] = {}
    async with (
        loaded_engine(options, on := DraftsWatch()) as with_drafts,
        loaded_engine(replace(options, draft_tokens=0, draft_model_dir=None), off := DraftsWatch()) as without,
    ):
        sides = {ON: _Side(with_drafts, on), OFF: _Side(without, off)}
        assert with_drafts.facts is not None  # it is loaded
        facts = with_drafts.facts
        for kind, questions in work_prompts(prompts, plan.drafts_prompts).items():
            say(f"{kind}, {plan.drafts_rounds} rounds of {len(questions)} answers on and off")
            found[kind] = await _alternate(sides, questions, prompts.builder.stop_ids, plan)
    return {
        "draft_tokens": options.draft_tokens,
        "draft_model": facts.draft_model,
        "kinds": {kind: work_figures(rounds) for kind, rounds in found.items()},
    }


async def _alternate(
    sides: dict[str, _Side], questions: Sequence[tuple[int, ...]], stop_ids: frozenset[int], plan: Plan
) -> dict[str, Rounds]:
    """Ask on, off, off, on, and so on; return the rounds of each side."""
    found: dict[str, Rounds] = {ON: [], OFF: []}
    turn = 0
    for _ in range(plan.drafts_rounds):
        for rounds in found.values():
            rounds.append([])
        for question in questions:
            for name in (ON, OFF) if turn % 2 == 0 else (OFF, ON):
                request = GenerationRequest(question, stop_ids, plan.drafts_answer, TIME_LIMIT_SECONDS)
                found[name][-1].append(await ask(sides[name].engine, sides[name].watch, request))
            turn += 1
    return found


async def ask(engine: Engine, watch: DraftsWatch, request: GenerationRequest) -> Answer:
    """Time an answer that may end early, as a real one does.

    Raises:
        MeasureError: it failed or has no token.
    """
    before = watch.state
    arrivals: list[tuple[float, int]] = []
    ids: list[int] = []
    submitted = time.perf_counter()
    generation = engine.submit(request)
    async for new_ids in generation:
        arrivals.append((time.perf_counter(), len(new_ids)))
        ids.extend(new_ids)
    outcome = generation.outcome
    assert outcome is not None  # the iteration has ended
    if outcome.reason not in (FinishReason.STOP, FinishReason.LENGTH) or not ids:
        raise MeasureError(f"no answer to time ({outcome.reason}: {outcome.detail})".replace(": )", ")"))
    return Answer(
        TimedGeneration(submitted, tuple(arrivals), tuple(ids)),
        len(ids) + (outcome.reason is FinishReason.STOP),
        watch.state.drafted_tokens - before.drafted_tokens,
        watch.state.accepted_tokens - before.accepted_tokens,
    )


def work_figures(found: dict[str, Rounds]) -> Figures:
    """Return the figures of one kind of work.

    Raises:
        MeasureError: the answers of a round were too short to have a speed.
    """
    rates = {side: [_rate(answers) for answers in rounds] for side, rounds in found.items()}
    on, off = ([answer.run.ids for answer in chain(*found[side])] for side in (ON, OFF))
    drafted = list(chain(*found[ON]))
    repeated = list(pairwise([answer.run.ids for answer in answers] for answers in found[OFF]))
    return {
        "tokens_per_second": {side: spread(each) for side, each in rates.items()},
        "ratio": spread([ours / theirs for ours, theirs in zip(rates[ON], rates[OFF], strict=True)]),
        "acceptance": share(sum(each.accepted for each in drafted), sum(each.drafted for each in drafted)),
        "tokens_a_step": sum(each.chosen for each in drafted) / sum(each.steps for each in drafted),
        "answer_tokens": sum(map(len, off)) / len(off),
        "answers": len(on),
        "equal_share": equal_share(on, off),
        "identical": identical(on, off),
        "off_again": {
            "answers": sum(len(before) for before, _ in repeated),
            "equal_share": equal_share(
                [ids for before, _ in repeated for ids in before], [ids for _, after in repeated for ids in after]
            ),
            "identical": sum(identical(before, after) for before, after in repeated),
        },
    }


def _rate(answers: Sequence[Answer]) -> float:
    seconds = sum(each.decode_seconds for each in answers)
    if seconds <= 0:
        raise MeasureError("the answers arrived in one piece each, which has no rate")
    return sum(each.decoded for each in answers) / seconds
