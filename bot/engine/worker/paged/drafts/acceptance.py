"""Estimates how likely a drafted token is right, from those that were checked."""

from __future__ import annotations

from dataclasses import dataclass, field

_FIRST_GUESS = 0.5
_GUESS_WEIGHT = 2
"""The first guess counts as much as this many checked tokens."""
_USUAL_TOKENS = 50
"""A source's usual acceptance is that of about so many tokens."""
_USUAL_WEIGHT = 2.0
"""The usual acceptance counts as much as this many checked tokens of the answer's own."""
_KEPT = 0.93
"""What a checked token counts after a later one: an answer may begin to quote, or cease to."""


@dataclass(slots=True)
class UsualAcceptance:
    """The acceptance of a source over all answers."""

    share: float = _FIRST_GUESS
    _checked: int = _GUESS_WEIGHT

    def learn(self, *, right: int, wrong: int) -> None:
        """Take note of checked tokens."""
        for is_right in (True,) * right + (False,) * wrong:
            self._checked = min(self._checked + 1, _USUAL_TOKENS)
            self.share += (is_right - self.share) / self._checked


@dataclass(slots=True)
class Acceptance:
    """The acceptance of a source in one answer, beginning with what is usual.

    Attributes:
        skipped: steps since the latest draft that a step checked.
    """

    usual: UsualAcceptance
    skipped: int = 0
    _right: float = field(default=0.0)
    _checked: float = field(default=0.0)

    @property
    def share(self) -> float:
        """The probability that a drafted token is right, if all before it are."""
        return (self._right + _USUAL_WEIGHT * self.usual.share) / (self._checked + _USUAL_WEIGHT)

    def learn(self, drafted: int, accepted: int) -> None:
        """Take note of a draft that a step checked."""
        self.skipped = 0
        self.observe(drafted, accepted)

    def observe(self, drafted: int, accepted: int) -> None:
        """Take note of how much of a draft was right: what follows its first wrong token was not checked."""
        wrong = 1 if accepted < drafted else 0
        self._count(accepted, wrong)
        self.usual.learn(right=accepted, wrong=wrong)

    def lack(self) -> None:
        """Take note that there was no draft where one was wanted, which tells nothing of other answers."""
        self.skipped = 0
        self._count(0, 1)

    def _count(self, right: int, wrong: int) -> None:
        kept = _KEPT ** (right + wrong)
        self._right = kept * self._right + right
        self._checked = kept * self._checked + right + wrong
