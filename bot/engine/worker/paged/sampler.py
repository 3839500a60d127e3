"""Chooses the next token from a model's logits."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from bot.engine.interface import Sampling


def choose_token(logits: NDArray[numpy.float32], sampling: Sampling, seen: set[int], position: int) -> int:
    """Choose a token, in the order that transformers does it: repetition penalty, temperature, top-k, top-p.

    Args:
        logits: shape [vocabulary].
        sampling: how to choose.
        seen: the ids of prompt and answer so far, for the repetition penalty.
        position: how many tokens stand before this one. Together with the seed it decides a random draw, so an answer
            that is taken up again in the middle goes on as it would have.

    Returns:
        the token's id.
    """
    if sampling.repetition_penalty != 1.0 and seen:
        logits = _penalized(logits, sampling.repetition_penalty, seen)
    if sampling.temperature == 0:
        return int(logits.argmax())
    # The likeliest becomes 0 before the division, or a tiny temperature would make all of them infinite.
    scaled = (logits.astype(numpy.float64) - logits.max()) / sampling.temperature
    weights = numpy.exp(scaled)
    ids, total = _candidates(weights, sampling)
    if sampling.top_p < 1:
        ids = ids[numpy.argsort(-weights[ids])]
        # The token that crosses the border still counts, so there is always one.
        ids = ids[: int(numpy.searchsorted(weights[ids].cumsum(), sampling.top_p * total)) + 1]
    # Each token races with a random time of its own (the Gumbel-max trick). A draw along summed probabilities would
    # fall elsewhere as soon as rounding, which depends on the rest of the batch, swaps two all but equal tokens.
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
    """The tokens that may be drawn as far as that is known without sorting, and the sum that top-p is a part of."""
    if 0 < sampling.top_k < len(weights):
        ids = numpy.argpartition(weights, -sampling.top_k)[-sampling.top_k :]
        return ids, float(weights[ids].sum())
    total = float(weights.sum())
    # Together, tokens this unlikely do not reach what top-p leaves out, so none of them is ever needed.
    least = total * (1 - sampling.top_p) / len(weights)
    return numpy.flatnonzero(weights > least), total
