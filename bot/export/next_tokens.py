"""What a language model predicts at every place of a text, and how two models' predictions compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.errors import ConfigurationError

TokenIds = NDArray[np.int64]
LogitsOf = Callable[[TokenIds], NDArray[np.float32]]
"""Reads a window of token ids, shape [places], in one pass; returns logits, shape [places, vocabulary]."""

PRECISION = "f32"
"""What both models compute in, on every machine: figures from different machines can be compared."""

_SLICE_PLACES = 64
"""So many places are in float64 at a time: 16 MB for each copy with Phi-3's vocabulary, 100 MB with 200,000 tokens."""


@dataclass(frozen=True, slots=True)
class NextTokens:
    """A model's predictions for a text. A place is a token after which another one comes.

    Attributes:
        likeliest: the token that the model finds likeliest after each place, shape [places].
        log_probabilities: natural logarithm of the probability of the token that really comes, shape [places].
    """

    likeliest: TokenIds
    log_probabilities: NDArray[np.float64]

    @property
    def perplexity(self) -> float:
        """The exponential of the mean negative log-probability: 1 is perfect, more is worse."""
        return float(np.exp(-self.log_probabilities.mean()))

    def agreement(self, other: NextTokens) -> float:
        """The part of the places, 0 to 1, where another model finds the same token likeliest in the same text."""
        return float((self.likeliest == other.likeliest).mean())

    def save(self, path: Path) -> None:
        """Write a `.npz` file."""
        np.savez(path, likeliest=self.likeliest, log_probabilities=self.log_probabilities)

    @classmethod
    def load(cls, path: Path) -> NextTokens:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(stored["likeliest"], stored["log_probabilities"])


def read_next_tokens(ids: TokenIds, window: int, logits_of: LogitsOf) -> NextTokens:
    """Let a model read a text, window after window; at the start of each it knows nothing of those before.

    Args:
        ids: the text, shape [tokens], at least two.
        window: how many tokens are read in one pass, at most.
        logits_of: the model.

    Raises:
        ConfigurationError: the model cannot read it, or what it predicts are no numbers.
    """
    read, real = ids[:-1], ids[1:]
    parts = []
    for start in range(0, len(read), window):
        logits, due = logits_of(read[start : start + window]), real[start : start + window]
        for first in range(0, len(due), _SLICE_PLACES):
            part = slice(first, first + _SLICE_PLACES)
            parts.append(_judge(logits[part], due[part]))
    likeliest, log_probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
    return NextTokens(likeliest, log_probabilities)


def _judge(logits: NDArray[np.float32], real: TokenIds) -> tuple[TokenIds, NDArray[np.float64]]:
    exact = logits.astype(np.float64)
    if real.max() >= exact.shape[1]:
        raise ConfigurationError(f"the text has token {real.max()} and the model knows only {exact.shape[1]} tokens")
    with np.errstate(invalid="ignore"):  # what comes of that is looked at below
        exact -= exact.max(axis=1, keepdims=True)  # so that the exponentials cannot overflow
        log_probabilities = exact[np.arange(len(real)), real] - np.log(np.exp(exact).sum(axis=1))
    if not np.isfinite(log_probabilities).all():
        raise ConfigurationError("the model predicts with values that are no finite numbers")
    return exact.argmax(axis=1), log_probabilities
