"""The progress of a start where standard error may hold nothing but lines of the log."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class LoggedProgress:
    """Logs a line for each stage."""

    def __init__(self) -> None:
        self._stage = ""

    def stage(self, text: str) -> None:
        """Begin a stage; one that only counts on, as in `Downloading: 3 of 9 MB`, is in the log already."""
        stage = text.partition(":")[0]
        if stage != self._stage:
            logger.info("Progress: stage=%s", stage)
        self._stage = stage

    def done(self, text: str = "") -> None:
        """End the last stage."""
        self._stage = ""
        if text:
            logger.info("Progress: stage=%s", text)
