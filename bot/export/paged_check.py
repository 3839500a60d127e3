"""Judges whether the bot's default engine computes a new model right, also beyond LongRoPE's original context.

OpenVINO's transformation to paged attention takes any mask for a causal one. Position biases (ALiBi, in MPT) and local
windows (in GPT-Neo) that are part of a mask get lost without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from bot.errors import ConfigurationError
from bot.export.checkpoint import Checkpoint
from bot.export.child_process import ChildError
from bot.export.next_tokens import PRECISION, NextTokens
from bot.export.quality import GOOD_AGREEMENT, WINDOW_TOKENS, SourceNotRunError, Text, read_source, source_memory
from bot.model.config import ModelConfig
from bot.model.report import Finding

LEAST_AGREEMENT = 0.8
"""Paged attention and the model's own graph, with the same weights and precision, agree nearly everywhere."""

_POSITIONS = 64
_ACTIVATION_BYTES = 32 * 4
"""Of each token for each number of the residual stream, while a long text is read: an upper bound for the results of a
layer's parts that are in memory together."""


def check_paged_attention(exported: Path, ids: Sequence[int], work: Path, say: Callable[[str], None]) -> Finding:
    """Compare paged attention with the model's own graph at the end of a text.

    Args:
        exported: the model folder.
        ids: the text's tokens.
        work: for the children's files; the caller removes it.
        say: receives the name of the stage.

    Raises:
        ChildError: the model cannot be loaded.
        ConfigurationError: the two predict different tokens.
    """
    say("Comparing the engine paged with the model's own graph")
    [context] = ModelConfig.read(exported).require("context_length")
    tokens = min(WINDOW_TOKENS, len(ids), context)
    text = Text(ids[:tokens], work, "--last", min(_POSITIONS, tokens - 1))
    paged = text.read("paged_reading", exported, "--cache-precision", PRECISION)
    agreement = paged.agreement(text.read("exported_reading", exported))
    detail = f"predicts the same token as the model's own graph in {agreement:.0%} of {len(paged.likeliest)} positions"
    if agreement < LEAST_AGREEMENT:
        raise ConfigurationError(
            f"the new model is refused, so the current version stays: the engine paged {detail}, because it does not "
            "know this kind of attention; choose another model (docs/models.md lists what works)"
        )
    return Finding(what="paged attention", verdict="good", detail=detail)


def check_long_context(
    exported: Path,
    source: Path | None,
    *,
    ids: Sequence[int],
    work: Path,
    trust_remote_code: bool,
    memory_bytes: int,
    say: Callable[[str], None],
    perplexity_limit: float,
) -> Finding:
    """Say how long the context is, and compare a model with LongRoPE with its source beyond the original context.

    Args:
        exported: the model folder.
        source: the local checkpoint that it was exported from, if any.
        ids: the text's tokens; repeated until they pass the original context.
        work: for the children's files; the caller removes it.
        memory_bytes: what a child may use.
        say: receives the name of each stage.
        perplexity_limit: the most that its perplexity may be, as a multiple of its source's.

    Raises:
        ConfigurationError: its perplexity beyond the original context is higher.
    """
    context, original = _context_and_original(exported)
    if original is None or context <= original + 1:
        return describe_context(exported, "its context ends there")
    tokens = min(original + 1 + _POSITIONS, context)
    text = Text(_repeated(ids, tokens), work, "--last", tokens - 1 - original)

    def memory_of(checkpoint: Checkpoint) -> int:
        return source_memory(checkpoint) + tokens * (checkpoint.config.hidden_size or 0) * _ACTIVATION_BYTES

    say(f"Comparing the two beyond LongRoPE's original context, with {tokens:,} tokens")
    try:
        expected = read_source(
            text, source, trust_remote_code=trust_remote_code, memory_bytes=memory_bytes, say=say, memory_of=memory_of
        )
        say("Reading them with the engine paged")
        paged = text.read("paged_reading", exported)
    except (ChildError, SourceNotRunError) as reason:
        return describe_context(exported, str(reason))
    return _compared_beyond(exported, paged, expected, perplexity_limit)


def describe_context(exported: Path, reason: str) -> Finding:
    """Say how long the context is, and LongRoPE's original context.

    Args:
        exported: the model folder.
        reason: why a model with LongRoPE was not compared with its source beyond the original context.
    """
    context, original = _context_and_original(exported)
    if original is None:
        return Finding(what="context", verdict="good", detail=_told(context, original))
    detail = f"{_told(context, original)}; not compared with its source beyond that: {reason}"
    return Finding(what="context", verdict="skipped", detail=detail)


def _compared_beyond(exported: Path, paged: NextTokens, expected: NextTokens, perplexity_limit: float) -> Finding:
    context, original = _context_and_original(exported)
    agreement = paged.agreement(expected)
    figures = (
        f"beyond that the same token as its source in {agreement:.0%} of {len(paged.likeliest)} positions, perplexity "
        f"{paged.perplexity:.2f}, source {expected.perplexity:.2f}"
    )
    if paged.perplexity > perplexity_limit * expected.perplexity:
        raise ConfigurationError(
            "the new model is refused, so the current version stays: LongRoPE's original context is "
            f"{original:,} tokens, and {figures}; choose a recipe that loses less (--recipe int8), or raise "
            "--perplexity-limit"
        )
    verdict: Literal["good", "noted"] = "good" if agreement >= GOOD_AGREEMENT else "noted"
    return Finding(what="context", verdict=verdict, detail=f"{_told(context, original)}; {figures}")


def _context_and_original(exported: Path) -> tuple[int, int | None]:
    config = ModelConfig.read(exported)
    [context] = config.require("context_length")
    return context, config.original_context


def _told(context: int, original: int | None) -> str:
    if original is None:
        return f"{context:,} tokens"
    return f"{context:,} tokens; LongRoPE's factors change beyond {original:,}, where genai and optimum end"


def _repeated(ids: Sequence[int], tokens: int) -> list[int]:
    return (list(ids) * -(-tokens // len(ids)))[:tokens]
