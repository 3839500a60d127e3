"""The requests in the batch, and the share of the next step that each of their prompts gets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.engine.interface import GenerationRequest
from bot.engine.worker.cache_blocks import blocks_for_request
from bot.engine.worker.paged.disk_cache.load import Load
from bot.engine.worker.paged.prefix_cache import Block
from bot.engine.worker.paged.step_cost import LEAST_ROWS, ROW_GROUP, StepCost

_FIRST_GUESS = 64
_FEWEST_TOKENS = 4
"""A prompt progresses on any machine."""
_MOST_TOKENS = 1024
"""The memory for a step's intermediate results is planned for no more."""
_SMALL_REST = 0.2
"""A rest of a prompt that is smaller than this share of its piece is not worth a step of its own."""


@dataclass(slots=True)
class RunningRequest:
    """A request in the batch; to the model, one sequence of tokens.

    Attributes:
        tokens: the prompt and the answer so far.
        path: the cache blocks it holds, in order.
        read: number of its tokens that are in the KV cache.
        long_factors: whether they have the long factors of LongRoPE.
        found: whether the caches were asked for its prefix.
        load: what is being loaded for it from the disk cache.
        seen: the distinct ids of the answer so far, for the repetition penalty.
        drafter_read: number of its tokens that are in the draft model's KV cache.
        saved: number of its blocks that were given to the disk cache.
        drafted: number of tokens that were drafted for it and checked.
        accepted: how many of these were right.
        characters: its tokens as far as prompt lookup has read them, each as the character with its number.
        arrived: on the monotonic clock.
    """

    request_id: int
    request: GenerationRequest
    tokens: list[int]
    path: list[Block] = field(default_factory=list)
    read: int = 0
    long_factors: bool = False
    found: bool = False
    load: Load | None = None
    seen: set[int] = field(default_factory=set)
    drafter_read: int = 0
    saved: int = 0
    drafted: int = 0
    accepted: int = 0
    characters: str = ""
    arrived: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, request_id: int, request: GenerationRequest) -> RunningRequest:
        """Start with the request's prompt, nothing of it read."""
        answered = request.prompt_ids[request.question_length :]
        return cls(request_id, request, list(request.prompt_ids), seen=set(answered))

    @property
    def unread(self) -> int:
        """Number of tokens to compute before the next one can be chosen; 1 while decoding."""
        return len(self.tokens) - self.read

    @property
    def generates(self) -> bool:
        """Whether the next step computes an answer's next token; what is being read anew does not."""
        return self.new_tokens > 0 and self.unread == 1

    @property
    def new_tokens(self) -> int:
        """Length of the answer so far, in tokens."""
        return len(self.tokens) - len(self.request.prompt_ids)

    @property
    def most_blocks(self) -> int:
        """Upper bound of the cache blocks it needs."""
        return blocks_for_request(self.request)


@dataclass(frozen=True, slots=True)
class StepLimits:
    """How long prompts may make a step, in seconds.

    Attributes:
        pause: what members whose answers stream have to wait for prompts.
        alone: while no answer streams.
    """

    pause: float
    alone: float


def share_out(
    prompts: Sequence[RunningRequest],
    limits: StepLimits,
    cost: StepCost,
    now: float,
    *,
    answer_rows: int,
) -> list[tuple[RunningRequest, int]]:
    """Decide how many tokens of each prompt the next step reads.

    The prompt that is read soonest comes first, so most members see their first words early. Waiting counts against
    what is left to read: a long prompt waits for shorter ones at most as long as reading it takes.

    Args:
        prompts: those in the batch.
        limits: for the prompts alone, without what else the step computes.
        now: on the monotonic clock.
        answer_rows: of answers in the same step; with none, nobody waits for the step's end to read on.

    Returns:
        The prompts that take part, each with its number of tokens.
    """
    if not cost.known:
        return [(each, min(each.unread, _FIRST_GUESS)) for each in prompts[:1]]

    def remaining(each: RunningRequest) -> float:
        return cost.piece_seconds(each.unread, each.read)

    ordered = sorted(prompts, key=lambda each: remaining(each) - (now - each.arrived))
    seconds = limits.pause if answer_rows else limits.alone
    if not answer_rows and len(ordered) > 1 and remaining(ordered[0]) <= limits.alone:
        # The answers that can begin with this step do not wait until all prompts are read.
        seconds = min(seconds, sum(map(remaining, ordered[: -(-len(ordered) // 2)])))
    shares: list[tuple[RunningRequest, int]] = []
    room = _MOST_TOKENS
    for each in ordered:
        count = cost.tokens_within(seconds, each.read)
        if not answer_rows and each.unread - count < _SMALL_REST * count:
            count = each.unread
        count = min(max(count, 0 if shares else _FEWEST_TOKENS), each.unread, room)
        if not count:
            break
        shares.append((each, count))
        seconds -= cost.piece_seconds(count, each.read)
        room -= count
    return _aligned(shares, answer_rows)


def _aligned(shares: list[tuple[RunningRequest, int]], answer_rows: int) -> list[tuple[RunningRequest, int]]:
    """Shorten a step to whole groups of rows, unless that takes more than half of its prompt tokens."""
    tokens = sum(count for _, count in shares)
    excess = (answer_rows + tokens) % ROW_GROUP
    everything = all(each.unread == count for each, count in shares)
    if answer_rows + tokens <= ROW_GROUP or (everything and excess >= LEAST_ROWS) or 2 * excess > tokens:
        return shares
    while excess:
        each, count = shares.pop()
        if count > excess:
            shares.append((each, count - excess))
        excess -= min(count, excess)
    return shares
