"""Sequences on their way, and what each of them does in the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.engine.interface import GenerationRequest
from bot.engine.worker.cache_blocks import blocks_for_request
from bot.engine.worker.paged.prefix_cache import Block


@dataclass(slots=True)
class RunningRequest:
    """A request in the batch.

    Attributes:
        request_id: its id.
        request: what was asked for.
        tokens: the prompt and the answer so far.
        path: the cache blocks it holds.
        read: how many of its tokens the cache holds.
    """

    request_id: int
    request: GenerationRequest
    tokens: list[int]
    path: list[Block] = field(default_factory=list)
    read: int = 0
    seen: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, request_id: int, request: GenerationRequest) -> RunningRequest:
        """Begin a sequence with a request's prompt."""
        return cls(request_id, request, list(request.prompt_ids), seen=set(request.prompt_ids))

    @property
    def unread(self) -> int:
        """Tokens that must be read before the next one can be chosen; 1 while the answer is generated."""
        return len(self.tokens) - self.read

    @property
    def generates(self) -> bool:
        """Whether its prompt has been read."""
        return self.read >= len(self.request.prompt_ids)

    @property
    def new_tokens(self) -> int:
        """Length of the answer so far."""
        return len(self.tokens) - len(self.request.prompt_ids)

    @property
    def most_blocks(self) -> int:
        """How many cache blocks it can ever need."""
        return blocks_for_request(self.request)


def share_out(sequences: Sequence[RunningRequest], prompt_tokens: int) -> list[tuple[RunningRequest, int]]:
    """Decide how many tokens each sequence reads in the next step.

    Every answer that is being generated gets its next token. What may be read of prompts is shared equally, and what
    a short prompt leaves goes to the longer ones: no prompt waits behind another.

    Args:
        sequences: all in the batch.
        prompt_tokens: the most prompt tokens to be read in all.

    Returns:
        the sequences that take part, each with its number of tokens.
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
