"""Which model a start takes: the current version, or where that cannot be used the latest before it that can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bot.errors import ConfigurationError
from bot.model.folder import read_choice

Used = TypeVar("Used")


class StartOrder:
    """The model folders that a start may take, the best first. Each is tried once.

    Args:
        path: what MODEL_DIR says.

    Raises:
        ConfigurationError: the folder or its pointer is not there or cannot be read.

    Attributes:
        choice: what the pointer said.
        refusals: why those that were tried could not be used, in this order.
    """

    def __init__(self, path: Path) -> None:
        self.choice = read_choice(path)
        self.refusals: list[ConfigurationError] = []
        self._left = iter((path, *self.choice.before))

    def next_usable(self, use: Callable[[Path], Used]) -> Used:
        """Return what comes of using the next folder that is not refused.

        Args:
            use: is called with a folder, and refuses it with a ConfigurationError.

        Raises:
            ConfigurationError: none is left. It is the first refusal, for the current version is what has to be mended.
        """
        for folder in self._left:
            try:
                return use(folder)
            except ConfigurationError as error:
                self.refusals.append(error)
        raise self.refusals[0]
