"""Estimates how likely a drafted token is right, from those that were checked."""

from __future__ import annotations

from dataclasses import dataclass, field

_FIRST_GUESS = 0.5
_USUAL_RATE = 0.02
"""How fast a source's usual acceptance follows single tokens."""
_USUAL_WEIGHT = 4.0
"""The usual acceptance counts as much as this many checked tokens of the answer's own."""
_KEPT = 0.85
"""What older tokens of an answer still count after a later draft: an answer may begin to quote, or cease to."""


@dataclass(slots=True)
class UsualAcceptance:
    """The acceptance of a source over all answers."""

    share: float = _FIRST_GUESS

    def learn(self, *, right: int, wrong: int) -> None:
        """Take note of checked tokens."""
        for is_right in (True,) * right + (False,) * wrong:
            self.share += _USUAL_RATE * (is_right - self.share)


@dataclass(slots=True)
class Acceptance:
    """The acceptance of a source in one answer, beginning with what is usual.

    Attributes:
        skipped: steps since the latest draft.
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
        """Take note of a draft: what follows its first wrong token was not checked."""
        wrong = 1 if accepted < drafted else 0
        self._right = _KEPT * self._right + accepted
        self._checked = _KEPT * self._checked + accepted + wrong
        self.usual.learn(right=accepted, wrong=wrong)
        self.skipped = 0
