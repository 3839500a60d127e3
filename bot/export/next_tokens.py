"""A language model's next-token predictions for a text, and how two models' predictions compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.errors import ConfigurationError

TokenIds = NDArray[np.int64]
LogitsOf = Callable[[TokenIds], NDArray[np.float32]]
"""Reads a window of token ids, shape [positions], in one pass; returns logits, shape [positions, vocabulary]."""

PRECISION = "f32"
"""What both models compute in, on every machine: figures from different machines can be compared."""

_SLICE_POSITIONS = 64
"""How many positions are in float64 at a time: 16 MB a copy with Phi-3's vocabulary, 100 MB with 200,000 tokens."""


@dataclass(frozen=True, slots=True)
class NextTokens:
    """A model's predictions for a text, one for each token that has a successor.

    Attributes:
        likeliest: the token that the model ranks first, shape [positions].
        log_probabilities: natural logarithm of the probability of the actual next token, shape [positions].
    """

    likeliest: TokenIds
    log_probabilities: NDArray[np.float64]

    @property
    def perplexity(self) -> float:
        """The exponential of the mean negative log-probability; 1 is perfect, higher is worse."""
        return float(np.exp(-self.log_probabilities.mean()))

    def agreement(self, other: NextTokens) -> float:
        """The share of positions, 0 to 1, where another model ranks the same token first."""
        return float((self.likeliest == other.likeliest).mean())

    def save(self, path: Path) -> None:
        """Write a `.npz` file."""
        np.savez(path, likeliest=self.likeliest, log_probabilities=self.log_probabilities)

    @classmethod
    def load(cls, path: Path) -> NextTokens:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(stored["likeliest"], stored["log_probabilities"])


@dataclass(frozen=True, slots=True)
class TimedReading:
    """A text's predictions and how long they took.

    Attributes:
        predicted: one for each token of the text that has a successor.
        piece_seconds: of the prefill, for pieces of the text in order.
        step_seconds: of the decode after it, for steps in order.
    """

    predicted: NextTokens
    piece_seconds: Sequence[float]
    step_seconds: Sequence[float]

    def save(self, path: Path) -> None:
        """Write a `.npz` file."""
        predicted = self.predicted
        np.savez(
            path,
            likeliest=predicted.likeliest,
            log_probabilities=predicted.log_probabilities,
            piece_seconds=self.piece_seconds,
            step_seconds=self.step_seconds,
        )

    @classmethod
    def load(cls, path: Path) -> TimedReading:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(NextTokens.load(path), stored["piece_seconds"].tolist(), stored["step_seconds"].tolist())


def read_next_tokens(ids: TokenIds, window: int, logits_of: LogitsOf) -> NextTokens:
    """Read a text with a model in windows, in order; they are independent unless `logits_of` remembers.

    Args:
        ids: the text, shape [tokens], at least two.
        window: most tokens in one pass.

    Raises:
        ConfigurationError: the model does not know a token, or a logit is not finite.
    """
    read, following = ids[:-1], ids[1:]
    windows = [slice(start, start + window) for start in range(0, len(read), window)]
    return _joined(part for each in windows for part in _parts(logits_of(read[each]), following[each]))


def read_last_tokens(ids: TokenIds, positions: int, logits_of: LogitsOf) -> NextTokens:
    """Read a text with a model in one go, and keep the predictions at its end.

    Args:
        ids: the text, shape [tokens], longer than `positions`.
        positions: how many predictions to keep.
        logits_of: may leave out the logits of earlier positions.

    Raises:
        ConfigurationError: the model does not know a token, or a logit is not finite.
    """
    return _joined(_parts(logits_of(ids[:-1])[-positions:], ids[-positions:]))


def _joined(parts: Iterable[tuple[TokenIds, NDArray[np.float64]]]) -> NextTokens:
    likeliest, log_probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
    return NextTokens(likeliest, log_probabilities)


def _parts(logits: NDArray[np.float32], actual: TokenIds) -> Iterator[tuple[TokenIds, NDArray[np.float64]]]:
    for first in range(0, len(actual), _SLICE_POSITIONS):
        part = slice(first, first + _SLICE_POSITIONS)
        yield _predictions(logits[part], actual[part])


def _predictions(logits: NDArray[np.float32], actual: TokenIds) -> tuple[TokenIds, NDArray[np.float64]]:
    exact = logits.astype(np.float64)
    if actual.max() >= exact.shape[1]:
        raise ConfigurationError(f"the text has token {actual.max()}, and the model knows only {exact.shape[1]} tokens")
    with np.errstate(invalid="ignore"):  # the check below reports it
        exact -= exact.max(axis=1, keepdims=True)  # the exponentials must not overflow
        log_probabilities = exact[np.arange(len(actual)), actual] - np.log(np.exp(exact).sum(axis=1))
    if not np.isfinite(log_probabilities).all():
        raise ConfigurationError("the model's logits are not finite numbers")
    return exact.argmax(axis=1), log_probabilities
