"""Drafts with a small model, which chooses as the large one does.

The draft model's KV cache has the same block numbers as the model's, so one prefix cache and one disk cache serve both.
In a full block the draft model has read every token, at the latest one step after the model. In a block that is not
full it may lack the last ones, so a request reads those anew with it (`SequenceCache.find`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy
from numpy.typing import NDArray

from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.paged.sampler import choose_token
from bot.engine.worker.paged.schedule import RunningRequest


class DraftModel:
    """Drafts what a small model chooses with the request's own sampling, seed and position.

    With the same random draw, a sampled answer and its draft agree about as often as greedy ones do.

    `RunningRequest.drafter_read` counts what its cache holds of a request, drafted tokens included. After each step the
    caller must lower it to `RunningRequest.read` if it is higher: what follows there was not accepted.

    Attributes:
        model: its cache has as many blocks as that of the model it drafts for.
        folder: of its files.
    """

    def __init__(self, model: PagedModel, folder: Path, name: str, context: int, rows: int, vocabulary: int) -> None:
        """Take over a model that nobody else uses.

        Args:
            name: for display.
            context: upper bound in tokens for what it reads; longer answers get no drafts.
            rows: of its embedding.
            vocabulary: rows of the embedding of the model it drafts for. Models of one family may have the same
                tokenizer and different numbers of rows without a token.
        """
        self.model = model
        self.folder = folder
        self.name = name
        self._context = context
        self._last_row = rows - 1
        self._vocabulary = vocabulary

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        """Read what the model reads in this step, of prompts at once, of answers as soon as that fills a block."""
        pieces = [
            (sequence, min(sequence.read + count, self._context))
            for sequence, count in shares
            if not sequence.generates or _fills_block(sequence, count)
        ]
        pieces = [(sequence, end) for sequence, end in pieces if sequence.drafter_read < end]
        if pieces:
            self._advance(
                [(sequence, sequence.tokens[sequence.drafter_read : end]) for sequence, end in pieces],
            )

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        """Draft the tokens that follow `RunningRequest.tokens`, up to a stop token and without it."""
        drafts = [_Draft(sequence, min(most, self._context - len(sequence.tokens))) for sequence, most in wanted]
        going = [each for each in drafts if each.most > 0]
        for each in going:
            # The last token is always computed: the first draft comes from its logits.
            each.sequence.drafter_read = min(each.sequence.drafter_read, each.sequence.read)
            each.unread = each.sequence.tokens[each.sequence.drafter_read :]
        while going:
            logits = self._advance([(each.sequence, each.unread) for each in going])
            going = [each for each, after in zip(going, logits, strict=True) if each.go_on(self._fitted(after))]
        return [each.tokens for each in drafts]

    def _advance(self, pieces: Sequence[tuple[RunningRequest, Sequence[int]]]) -> NDArray[numpy.float32]:
        """Read more tokens of sequences, and return the logits after the last of each."""
        logits = self.model.advance(
            [
                Advance(
                    [min(token, self._last_row) for token in tokens],
                    sequence.drafter_read,
                    [block.number for block in sequence.path[: blocks_for(sequence.drafter_read + len(tokens))]],
                    sequence.long_factors,
                )
                for sequence, tokens in pieces
            ]
        )
        for sequence, tokens in pieces:
            sequence.drafter_read += len(tokens)
        return logits

    def _fitted(self, logits: NDArray[numpy.float32]) -> NDArray[numpy.float32]:
        """The logits of the ids that the model has."""
        missing = self._vocabulary - len(logits)
        return (
            numpy.pad(logits, (0, missing), constant_values=-numpy.inf) if missing > 0 else logits[: self._vocabulary]
        )


@dataclass(slots=True)
class _Draft:
    """The draft of one answer.

    Attributes:
        most: upper bound of its tokens.
        unread: what the draft model reads next.
    """

    sequence: RunningRequest
    most: int
    tokens: list[int] = field(default_factory=list)
    unread: Sequence[int] = ()

    def go_on(self, logits: NDArray[numpy.float32]) -> bool:
        """Choose the next token, and return whether another one follows."""
        if not numpy.isfinite(logits.max()):
            return False  # an overflow; none can be chosen
        request = self.sequence.request
        position = len(self.sequence.tokens) + len(self.tokens)
        token = choose_token(logits, request.sampling, self.sequence.seen.union(self.tokens), position)
        if token in request.stop_ids:
            return False
        self.tokens.append(token)
        self.unread = (token,)
        return len(self.tokens) < self.most


def _fills_block(sequence: RunningRequest, count: int) -> bool:
    return sequence.drafter_read // BLOCK_TOKENS < (sequence.read + count) // BLOCK_TOKENS
