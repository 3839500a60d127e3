"""Block arithmetic of the KV cache, shared by every backend that divides it into blocks."""

from __future__ import annotations

from bot.engine.interface import GenerationRequest

BLOCK_TOKENS = 32
"""Tokens in a block; OpenVINO's paged attention fixes it on CPUs."""


def blocks_for(tokens: int) -> int:
    """Number of blocks that hold this many tokens."""
    return -(-tokens // BLOCK_TOKENS)


def blocks_for_request(request: GenerationRequest) -> int:
    """Number of blocks that hold a request's prompt and its longest answer."""
    return blocks_for(len(request.prompt_ids) + request.max_new_tokens)
