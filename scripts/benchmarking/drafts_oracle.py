"""An oracle in the place of a draft model, which knows what the model says next.

A model with random weights accepts nothing of a real draft. The oracle shows what drafts are worth at any acceptance:
it is right with a set probability for each token, and takes a draft model's time if it has one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from bot.engine.worker.paged.drafts.source import DraftSource
from bot.engine.worker.paged.schedule import RunningRequest


class Oracle:
    """A `DraftSource` that proposes an answer's recorded tokens, or others in their place.

    Args:
        vocabulary: number of token ids.
        draft_model: drafts as often as it would without the oracle, for nothing but its time.

    Attributes:
        drafted: tokens drafted so far.
        right: how many of them were recorded ones, up to the first wrong one of each draft.
    """

    def __init__(self, vocabulary: int, draft_model: DraftSource | None) -> None:
        self.drafted = 0
        self.right = 0
        self._vocabulary = vocabulary
        self._draft_model = draft_model
        self._chance: float | None = None
        self._seed = ""
        self._answers: dict[int, list[int]] = {}

    @property
    def name(self) -> str:
        """For display; the engine keeps the usual acceptance apart for each name."""
        return "draft model" if self._chance is None else f"oracle, right at {self._chance}"

    @property
    def draft_model(self) -> str:
        """The name of the draft model whose time it takes; empty without one."""
        return self._draft_model.name if self._draft_model is not None else ""

    @property
    def may_be_right(self) -> bool:
        """Whether it must know what the model says, rather than only avoid it."""
        return bool(self._chance)

    def begin(self, chance: float | None, seed: str) -> None:
        """Begin another run.

        Args:
            chance: the probability that a token is right; None lets the draft model draft as it is.
            seed: decides which tokens are right.
        """
        self._chance = chance
        self._seed = seed
        self._answers.clear()

    def expected(self, request_id: int) -> list[int] | None:
        """Return what it takes a request's whole answer to be; None before it was told."""
        return self._answers.get(request_id)

    def expect(self, request_id: int, answer: Sequence[int]) -> None:
        """Take note of what the model says in a request's whole answer."""
        self._answers[request_id] = list(answer)

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        """Draft, for as long as the draft model takes."""
        own = self._draft_model.draft(wanted) if self._draft_model is not None else []
        drafts = own if self._chance is None else [self._draft(each, count) for each, count in wanted]
        self.drafted += sum(map(len, drafts))
        return drafts

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        """Let the draft model read what the model reads."""
        if self._draft_model is not None:
            self._draft_model.follow(shares)

    def _draft(self, request: RunningRequest, count: int) -> Sequence[int]:
        begin = request.new_tokens
        known = self._answers[request.request_id][begin : begin + count]
        right = [self._is_right(request.request_id, begin + index) for index in range(len(known))]
        self.right += right.index(False) if False in right else len(right)
        return [
            token if is_right else (token + 1) % self._vocabulary for token, is_right in zip(known, right, strict=True)
        ]

    def _is_right(self, request_id: int, position: int) -> bool:
        """Whether the token at a position of an answer is right: the same however often it is drafted."""
        assert self._chance is not None  # only the oracle asks
        return random.Random(f"{self._seed} {request_id} {position}").random() < self._chance  # noqa: S311
