"""Judges whether a request was answered once, completely, and with the right tokens."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bot.engine.interface import FinishReason
from fault_injection.clients import ClientRequest


class Mistake(StrEnum):
    """What can be wrong with an answer; each text follows a count."""

    UNFINISHED = "without an end"
    TOKENS_AFTER_END = "with tokens after the end"
    WRONG_END = "with a wrong end"
    WRONG_COUNT = "with tokens missing or doubled"
    OTHER_TOKENS = "with other tokens"


async def judge(request: ClientRequest, answer: Sequence[int]) -> Mistake | None:
    """Return what is wrong with a request that should have ended, if anything is.

    Args:
        answer: the longest answer to its question without a fault.
    """
    outcome = request.generation.outcome
    if outcome is None or not request.ended:
        return Mistake.UNFINISHED
    if await _yields_more(request):
        return Mistake.TOKENS_AFTER_END
    if outcome.reason is FinishReason.LENGTH and not request.crashed_after_cancel:
        due = 0 if request.prefill_only else request.tokens
        if len(request.ids) != due:
            return Mistake.WRONG_COUNT
    elif outcome.reason is FinishReason.CANCELLED and (request.cancelled or request.prefill_only):
        if len(request.ids) > (0 if request.prefill_only else request.tokens):
            return Mistake.WRONG_COUNT
    else:
        return Mistake.WRONG_END
    return None if request.ids == list(answer[: len(request.ids)]) else Mistake.OTHER_TOKENS


def describe(request: ClientRequest, answer: Sequence[int]) -> str:
    """Return a line that helps to find what went wrong with a request."""
    pairs = enumerate(zip(request.ids, answer, strict=False))
    first = next((f"the first other token is number {index}" for index, (got, due) in pairs if got != due), "all equal")
    kind = "prefill only" if request.prefill_only else f"{request.tokens} tokens"
    cancelled = ", cancelled" * request.cancelled + ", engine crashed after that" * request.crashed_after_cancel
    return (
        f"question {request.question}, {kind}{cancelled}: {len(request.ids)} came, {first}; outcome: "
        f"{request.generation.outcome}"
    )


async def _yields_more(request: ClientRequest) -> bool:
    # Reading an ended stream again ends at once; tokens that came after the end stand behind that.
    for _ in range(2):
        async for _ in request.generation:
            return True
    return False
