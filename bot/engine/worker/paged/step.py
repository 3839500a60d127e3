"""Runs one step: drafts, shares it out, computes it, and checks what was drafted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy
from numpy.typing import NDArray

from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.paged.drafts.budget import StepPlan
from bot.engine.worker.paged.drafts.drafting import Draft, Drafting
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.paged.sampler import choose_token
from bot.engine.worker.paged.schedule import RunningRequest, StepLimits, share_out
from bot.engine.worker.paged.sequence_cache import SequenceCache
from bot.engine.worker.paged.step_cost import StepCost, StepWork

LONGEST_STEP_SECONDS = 5.0
"""Target for a step while no answer streams. Longer is hardly more efficient, and cancels and new requests wait."""

_LEAST_WHILE_STREAMING = 0.5
_LEAST_ALONE = 8.0
"""Lower bounds for the time a step spends on prompts, as a multiple of the rest of the step. On a slow machine they win
over the limits: a prompt gets a real share while answers stream, and nearly all the time while none does."""

_DRAFTS_BESIDE_PROMPTS = 0.1
"""The share of the longest pause that drafts may take from prompts: whose words stream gains more than prompts lose."""


class StepRunner:
    """Computes steps of a batch.

    Args:
        model: computes them.
        cache: of its blocks.
        drafting: drafts for its answers.
        cost: learns from each step.
        longest_pause_seconds: limit for a step while answers stream.
    """

    def __init__(
        self,
        model: PagedModel,
        cache: SequenceCache,
        drafting: Drafting,
        cost: StepCost,
        longest_pause_seconds: float,
    ) -> None:
        self._model = model
        self._cache = cache
        self._drafting = drafting
        self._cost = cost
        self._longest_pause_seconds = longest_pause_seconds

    def run(
        self, batch: Sequence[RunningRequest], accept: Callable[[RunningRequest, int], bool], *, brief: bool
    ) -> None:
        """Read a piece of the prompts, and choose the next tokens of the answers.

        Args:
            batch: at least one request.
            accept: called with each request's chosen tokens, in order. Returns whether the request goes on from there.
            brief: be as brief as if answers streamed.
        """
        answers = [each for each in batch if each.generates]
        prompts = [each for each in batch if not each.generates]
        started = time.perf_counter()
        drafts = self._draft(answers, reads_prompts=bool(prompts))
        work = sum((_rows_work(each, drafts.get(each.request_id)) for each in answers), StepWork())
        limits = self._limits(self._cost.seconds(work) + time.perf_counter() - started, brief=brief)
        pieces = share_out(prompts, limits, self._cost, time.monotonic(), answer_rows=work.rows)
        work = sum((StepWork.of_piece(count, each.read) for each, count in pieces), work)
        started = time.perf_counter()
        advances = [
            *(row for each in answers for row in self._rows(each, drafts.get(each.request_id))),
            *(self._piece(each, count) for each, count in pieces),
        ]
        # Now that all have their blocks.
        self._drafting.follow([*((each, 1) for each in answers), *pieces])
        for each in batch:
            self._cache.save(each)
        logits = self._model.advance(advances)
        index = 0
        for each in answers:
            draft = drafts.get(each.request_id)
            rows = 1 + (len(draft.tokens) if draft else 0)
            self._check(each, draft, logits[index : index + rows], accept)
            index += rows
        for (each, count), after in zip(pieces, logits[index:], strict=True):
            self._cache.record(each, count)
            if not each.unread:
                accept(each, _choose(each, after))
        self._cost.learn(work, time.perf_counter() - started)

    def _draft(self, answers: Sequence[RunningRequest], *, reads_prompts: bool) -> dict[int, Draft]:
        pause = self._longest_pause_seconds
        plan = StepPlan(
            sum((StepWork.of_rows(1, each.read) for each in answers), StepWork()),
            prompt_seconds=pause if reads_prompts else 0.0,
            most_seconds=pause * (_DRAFTS_BESIDE_PROMPTS if reads_prompts else 1.0),
        )
        for each in answers:
            self._cache.extend(each, 1)
        return self._drafting.draft(
            [(each, self._most_drafted(each)) for each in answers],
            plan,
            lambda answer, count: self._cache.extend(answer, 1 + count),
        )

    def _most_drafted(self, answer: RunningRequest) -> int:
        most = answer.request.max_new_tokens - answer.new_tokens - 1
        if self._model.original_context is None or answer.long_factors:
            return most
        # Beyond it, all that was read needs the long factors.
        return min(most, self._model.original_context - len(answer.tokens))

    def _limits(self, other_seconds: float, *, brief: bool) -> StepLimits:
        longest = self._longest_pause_seconds / self._cost.usual_error
        pause = max(longest - other_seconds, _LEAST_WHILE_STREAMING * other_seconds)
        alone = max(LONGEST_STEP_SECONDS - other_seconds, _LEAST_ALONE * other_seconds)
        return StepLimits(pause, alone=pause if brief else alone)

    def _rows(self, answer: RunningRequest, draft: Draft | None) -> list[Advance]:
        """A sequence of its own for each row: OpenVINO computes several tokens of one sequence as a prompt, which
        decompresses all that was read first.
        """
        blocks = [block.number for block in answer.path]
        tokens = [answer.tokens[-1], *(draft.tokens if draft else ())]
        return [
            Advance([token], past, blocks[: blocks_for(past + 1)], answer.long_factors)
            for past, token in enumerate(tokens, answer.read)
        ]

    def _piece(self, prompt: RunningRequest, count: int) -> Advance:
        self._cache.extend(prompt, count)
        tokens = prompt.tokens[prompt.read : prompt.read + count]
        return Advance(tokens, prompt.read, [block.number for block in prompt.path], prompt.long_factors)

    def _check(
        self,
        answer: RunningRequest,
        draft: Draft | None,
        logits: NDArray[numpy.float32],
        accept: Callable[[RunningRequest, int], bool],
    ) -> None:
        """Choose tokens after an answer's last one and after each drafted one that was right."""
        chosen: list[int] = []
        answer.drafted += len(draft.tokens) if draft is not None else 0
        for row, after in enumerate(logits):
            self._cache.record(answer, 1)
            token = _choose(answer, after)
            chosen.append(token)
            is_right = draft is not None and row < len(draft.tokens) and token == draft.tokens[row]
            answer.accepted += is_right  # before its end is reported
            if not accept(answer, token) or not is_right:
                break
        answer.drafter_read = min(answer.drafter_read, answer.read)
        self._drafting.learn(answer, draft, chosen)


def _rows_work(answer: RunningRequest, draft: Draft | None) -> StepWork:
    return StepWork.of_rows(1 + (len(draft.tokens) if draft else 0), answer.read)


def _choose(sequence: RunningRequest, logits: NDArray[numpy.float32]) -> int:
    return choose_token(logits, sequence.request.sampling, sequence.seen, sequence.read)
