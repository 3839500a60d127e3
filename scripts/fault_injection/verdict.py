"""Decides whether a request was answered as it should have been: once, whole, and with the right tokens."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bot.engine.interface import FinishReason
from fault_injection.clients import Asked


class Mistake(StrEnum):
    """What can be wrong with an answer."""

    LOST = "without an end"
    TOKENS_AFTER_END = "with tokens after the end"
    WRONG_END = "with a wrong end"
    WRONG_COUNT = "with tokens missing or doubled"
    OTHER_TOKENS = "with other tokens"


async def judge(asked: Asked, answer: Sequence[int]) -> Mistake | None:
    """Say what is wrong with a request that should have ended, if anything is.

    Args:
        asked: the request.
        answer: the longest undisturbed answer to its question.
    """
    outcome = asked.generation.outcome
    if outcome is None or not asked.ended:
        return Mistake.LOST
    if await _comes_more(asked):
        return Mistake.TOKENS_AFTER_END
    if outcome.reason is FinishReason.LENGTH and not asked.lost_after_cancel:
        due = 0 if asked.ahead else asked.tokens
        if len(asked.ids) != due:
            return Mistake.WRONG_COUNT
    elif outcome.reason is FinishReason.CANCELLED and (asked.cancelled or asked.ahead):
        if len(asked.ids) > (0 if asked.ahead else asked.tokens):
            return Mistake.WRONG_COUNT
    else:
        return Mistake.WRONG_END
    return None if asked.ids == list(answer[: len(asked.ids)]) else Mistake.OTHER_TOKENS


def describe(asked: Asked, answer: Sequence[int]) -> str:
    """Return a line about a request, to look for what went wrong with it."""
    pairs = enumerate(zip(asked.ids, answer, strict=False))
    first = next((f"the first other token is number {index}" for index, (got, due) in pairs if got != due), "all equal")
    kind = "to be read ahead" if asked.ahead else f"{asked.tokens} tokens"
    cancelled = ", cancelled" * asked.cancelled + ", engine lost after that" * asked.lost_after_cancel
    return (
        f"question {asked.question}, {kind}{cancelled}: {len(asked.ids)} came, {first}; it ended so: "
        f"{asked.generation.outcome}"
    )


async def _comes_more(asked: Asked) -> bool:
    # An ended stream that is read again ends at once; what came after the end stands behind that.
    for _ in range(2):
        async for _ in asked.generation:
            return True
    return False
