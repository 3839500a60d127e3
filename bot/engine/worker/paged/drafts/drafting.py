"""Drafts tokens where that pays, and learns from what was right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bot.engine.worker.paged.drafts.acceptance import Acceptance, UsualAcceptance
from bot.engine.worker.paged.drafts.budget import Prospect, StepPlan, draft_lengths
from bot.engine.worker.paged.drafts.source import DraftSource
from bot.engine.worker.paged.longest_match import common_length
from bot.engine.worker.paged.schedule import RunningRequest
from bot.engine.worker.paged.step_cost import StepCost

_TRIED_EVERY = 32
"""After this many steps without a draft, an answer gets one token drafted, to see whether that pays by now."""

_PASS_RATE = 0.3
"""Share of the error by which the estimated time of a draft model's pass follows the latest."""


_Kind: TypeAlias = tuple[str, int]
"""Who drafted, and how much prompt lookup found: it finds more after a longer match, which is right more often."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may follow an answer.

    Attributes:
        tokens: at least one.
        acceptance: of who drafted them, in this answer.
    """

    tokens: Sequence[int]
    acceptance: Acceptance


@dataclass(slots=True)
class _Option:
    """A way to draft for an answer.

    Attributes:
        found: what was drafted already; None if it takes the draft model's time.
        length: how much of it to draft.
    """

    answer: RunningRequest
    acceptance: Acceptance
    found: Sequence[int] | None
    most: int
    length: int = 0


class Drafting:
    """Chooses source and length of each answer's draft.

    Args:
        lookup: costs next to nothing, so it is asked first.
        drafter: a draft model; None without one.
        most: upper bound of the tokens drafted for an answer and step; 0 drafts none.
        cost: what rows of a step cost.

    Attributes:
        drafted: tokens drafted so far.
        accepted: how many of them were right.
    """

    def __init__(self, lookup: DraftSource, drafter: DraftSource | None, most: int, cost: StepCost) -> None:
        self.drafted = 0
        self.accepted = 0
        self._lookup = lookup
        self._drafter = drafter
        self._most = most
        self._cost = cost
        self._usual: dict[_Kind, UsualAcceptance] = {}
        self._acceptances: dict[int, dict[_Kind, Acceptance]] = {}
        self._found: dict[int, Draft] = {}
        self._pass_seconds = 0.0

    def draft(
        self,
        answers: Sequence[tuple[RunningRequest, int]],
        plan: StepPlan,
        make_room: Callable[[RunningRequest, int], None],
    ) -> dict[int, Draft]:
        """Draft the next tokens of answers.

        Args:
            answers: each with the most tokens that may follow its last one, beside the one that the model chooses.
            plan: the step without drafts.
            make_room: gives an answer cache blocks for so many tokens after its last one.

        Returns:
            The drafts by request id.
        """
        options = [
            option
            for answer, most in answers
            if min(most, self._most) > 0 and (option := self._best_option(answer, min(most, self._most)))
        ]
        self._choose_lengths(options, plan)
        chosen = [each for each in options if each.length]
        for each in chosen:
            make_room(each.answer, each.length)
        self._draft_by_model([each for each in chosen if each.found is None])
        return {
            each.answer.request_id: Draft(each.found[: each.length], each.acceptance) for each in chosen if each.found
        }

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        """Let the draft model read what the model reads in this step: so many next tokens of prompts and answers."""
        if self._drafter is not None and shares:
            self._drafter.follow(shares)

    def learn(self, answer: RunningRequest, draft: Draft | None, chosen: Sequence[int]) -> None:
        """Take note of what the model chose in a step, and of the draft that the step checked."""
        if draft is not None:
            accepted = common_length(draft.tokens, chosen)
            self.drafted += len(draft.tokens)
            self.accepted += accepted
            draft.acceptance.learn(len(draft.tokens), accepted)
        found = self._found.pop(answer.request_id, None)
        if found is not None and (draft is None or draft.acceptance is not found.acceptance):
            # Or prompt lookup, once less likely, would stay so when the answer begins to quote.
            accepted = common_length(found.tokens, chosen)
            found.acceptance.observe(min(len(found.tokens), len(chosen)), accepted)

    def end(self, answer: RunningRequest) -> None:
        """Forget an answer; the draft model reads what it lacks of full blocks, for the next turn."""
        if self._acceptances.pop(answer.request_id, None) is not None and answer.load is None:
            self.follow([(answer, 0)])

    def _best_option(self, answer: RunningRequest, most: int) -> _Option | None:
        options = []
        if found := self._lookup.draft([(answer, most)])[0]:
            acceptance = self._acceptance(answer, (self._lookup.name, len(found)))
            self._found[answer.request_id] = Draft(found, acceptance)
            options.append(_Option(answer, acceptance, found, len(found)))
        if self._drafter is not None:
            options.append(_Option(answer, self._acceptance(answer, (self._drafter.name, 0)), None, most))
        return max(options, key=lambda each: each.acceptance.share, default=None)

    def _choose_lengths(self, options: Sequence[_Option], plan: StepPlan) -> None:
        prospects = [
            Prospect(
                each.most,
                each.acceptance.share,
                each.answer.read,
                self._pass_seconds if each.found is None else 0.0,
            )
            for each in options
        ]
        for each, length in zip(options, draft_lengths(prospects, plan, self._cost), strict=True):
            each.acceptance.skipped += 1
            each.length = length or int(each.acceptance.skipped > _TRIED_EVERY)

    def _draft_by_model(self, options: Sequence[_Option]) -> None:
        if self._drafter is None or not options:
            return
        started = time.perf_counter()
        drafts = self._drafter.draft([(each.answer, each.length) for each in options])
        for each, tokens in zip(options, drafts, strict=True):
            each.found = tokens
            if not tokens:  # such as beyond the draft model's context: it must not keep prompt lookup out
                each.acceptance.lack()
        if not any(drafts):
            return  # perhaps without a pass
        seconds = (time.perf_counter() - started) / max(each.length for each in options)
        self._pass_seconds += (_PASS_RATE if self._pass_seconds else 1.0) * (seconds - self._pass_seconds)

    def _acceptance(self, answer: RunningRequest, kind: _Kind) -> Acceptance:
        usual = self._usual.setdefault(kind, UsualAcceptance())
        return self._acceptances.setdefault(answer.request_id, {}).setdefault(kind, Acceptance(usual))
