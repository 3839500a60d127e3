"""What is still to happen to the next matching things."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

What = TypeVar("What")


@dataclass(slots=True)
class _Planned(Generic[What]):
    name_glob: str
    times: int | None
    what: What


class Plan(Generic[What]):
    """What is still to happen, oldest first."""

    def __init__(self) -> None:
        self._planned: list[_Planned[What]] = []

    def add(self, name_glob: str, times: int | None, what: What) -> None:
        """Plan something for the next `times` names that match, or for all of them if None."""
        self._planned.append(_Planned(name_glob, times, what))

    def take(self, name: str) -> What | None:
        """Return what is to happen to a name, and count it; None if nothing is."""
        for planned in self._planned:
            if fnmatchcase(name, planned.name_glob):
                if planned.times is not None:
                    planned.times -= 1
                    if planned.times <= 0:
                        self._planned.remove(planned)
                return planned.what
        return None

    def clear(self) -> None:
        """Forget everything."""
        self._planned.clear()
