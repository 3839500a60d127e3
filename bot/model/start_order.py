"""Which model the bot starts with: the current version, or the latest one before it that works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bot.errors import ConfigurationError
from bot.model.folder import read_choice
from bot.model.versions import Choice

Used = TypeVar("Used")


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """The version that the pointer names, when another one answers.

    Attributes:
        choice: the pointer, as it was read.
        reason: why the version could not be used, in one line.
    """

    choice: Choice
    reason: str


class StartOrder:
    """The model folders to try at a start, the best first, each once.

    Args:
        path: MODEL_DIR.

    Raises:
        ConfigurationError: the folder is missing, or its pointer cannot be read.

    Attributes:
        choice: the pointer, as it was read.
        refusals: why the folders tried so far do not work, in this order.
    """

    def __init__(self, path: Path) -> None:
        self.choice = read_choice(path)
        self.refusals: list[ConfigurationError] = []
        self._left = iter((path, *self.choice.before))

    def next_usable(self, use: Callable[[Path], Used]) -> Used:
        """Return the result of `use` for the next folder that it accepts.

        Args:
            use: refuses a folder with a ConfigurationError.

        Raises:
            ConfigurationError: no folder is left. It is the first refusal: the current version needs the repair.
        """
        for folder in self._left:
            try:
                return use(folder)
            except ConfigurationError as error:
                self.refusals.append(error)
        raise self.refusals[0]
