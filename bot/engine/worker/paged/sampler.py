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
    ids = _likeliest_first(scaled, sampling.top_k)
    probabilities = numpy.exp(scaled[ids])
    probabilities /= probabilities.sum()
    if sampling.top_p < 1:
        # The token that crosses the border still counts, so there is always one.
        kept = int(numpy.searchsorted(probabilities.cumsum(), sampling.top_p)) + 1
        ids, probabilities = ids[:kept], probabilities[:kept] / probabilities[:kept].sum()
    draw = numpy.random.Generator(numpy.random.Philox(key=sampling.seed, counter=position)).random()
    return int(ids[min(int(numpy.searchsorted(probabilities.cumsum(), draw, side="right")), len(ids) - 1)])


def _penalized(logits: NDArray[numpy.float32], penalty: float, seen: set[int]) -> NDArray[numpy.float32]:
    logits = logits.copy()
    ids = numpy.fromiter(seen, numpy.int64)
    chosen = logits[ids]
    logits[ids] = numpy.where(chosen < 0, chosen * penalty, chosen / penalty)
    return logits


def _likeliest_first(logits: NDArray[numpy.float64], top_k: int) -> NDArray[numpy.int64]:
    if 0 < top_k < len(logits):
        candidates = numpy.argpartition(logits, -top_k)[-top_k:]
        return candidates[numpy.argsort(-logits[candidates])]
    return numpy.argsort(-logits)
