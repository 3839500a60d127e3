"""The requests in the batch, and the share of the next step that each of them gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.engine.interface import GenerationRequest
from bot.engine.worker.cache_blocks import blocks_for_request
from bot.engine.worker.paged.disk_cache.load import Load
from bot.engine.worker.paged.prefix_cache import Block


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


def share_out(sequences: Sequence[RunningRequest], prompt_tokens: int) -> list[tuple[RunningRequest, int]]:
    """Decide how many tokens of each request the next step computes.

    Every decoding request gets one token. Prompts share the rest equally, and what a short prompt leaves goes to the
    longer ones: no prompt waits behind another.

    Args:
        sequences: the batch.
        prompt_tokens: upper bound of prompt tokens in all.

    Returns:
        The requests that take part, each with its number of tokens.
    """
    shares = [(each, 1) for each in sequences if each.generates]
    prompts = sorted((each for each in sequences if not each.generates), key=lambda each: each.unread)
    left = prompt_tokens
    for index, each in enumerate(prompts):
        share = min(each.unread, -(-left // (len(prompts) - index)))
        if share:
            shares.append((each, share))
            left -= share
    return shares
