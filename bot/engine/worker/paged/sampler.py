"""Samples the next token from the logits."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from bot.engine.interface import Sampling


def choose_token(logits: NDArray[numpy.float32], sampling: Sampling, seen: set[int], position: int) -> int:
    """Return the id of the next token. Applies, as transformers does, repetition penalty, temperature, top-k, top-p.

    Args:
        logits: shape [vocabulary].
        seen: token ids of the answer so far, for the repetition penalty.
        position: number of tokens before this one. With the seed it decides a random draw, so an answer that is resumed
            after a crash goes on as it would have.
    """
    if sampling.repetition_penalty != 1.0 and seen:
        logits = _penalized(logits, sampling.repetition_penalty, seen)
    if sampling.temperature == 0:
        return int(logits.argmax())
    # Subtract the maximum before the division, or a tiny temperature makes everything infinite.
    scaled = (logits.astype(numpy.float64) - logits.max()) / sampling.temperature
    weights = numpy.exp(scaled)
    ids, total = _candidates(weights, sampling)
    if sampling.top_p < 1:
        ids = ids[numpy.argsort(-weights[ids])]
        # The token that crosses top_p still counts, so there is always one.
        ids = ids[: int(numpy.searchsorted(weights[ids].cumsum(), sampling.top_p * total)) + 1]
    # The Gumbel-max trick: every token gets a random time of its own, and the first wins. A draw along summed
    # probabilities would change as soon as rounding, which depends on the batch, swaps two nearly equal tokens.
    times = numpy.random.Generator(numpy.random.Philox(key=sampling.seed, counter=position)).standard_exponential(
        len(weights)
    )
    return int(ids[numpy.argmax(weights[ids] / times[ids])])


def _penalized(logits: NDArray[numpy.float32], penalty: float, seen: set[int]) -> NDArray[numpy.float32]:
    logits = logits.copy()
    ids = numpy.fromiter(seen, numpy.int64)
    chosen = logits[ids]
    logits[ids] = numpy.where(chosen < 0, chosen * penalty, chosen / penalty)
    return logits


def _candidates(weights: NDArray[numpy.float64], sampling: Sampling) -> tuple[NDArray[numpy.int64], float]:
    """Return the tokens that may be drawn, as far as known without sorting, and the total weight for top-p."""
    if 0 < sampling.top_k < len(weights):
        ids = numpy.argpartition(weights, -sampling.top_k)[-sampling.top_k :]
        return ids, float(weights[ids].sum())
    total = float(weights.sum())
    # Even together, tokens below this weigh less than top-p leaves out.
    least = total * (1 - sampling.top_p) / len(weights)
    return numpy.flatnonzero(weights > least), total
