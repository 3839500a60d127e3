"""The worker's log, as lines of the bot's."""

from __future__ import annotations

import logging

from bot.engine.protocol import Logged, Warned
from bot.log_context import about_question

WARNINGS = "bot.engine.worker"
"""The logger of what the worker warns the operator of."""


def log_again(line: Logged | Warned) -> None:
    """Log a line of the worker in its logger's name, if that shows lines of its level."""
    if isinstance(line, Warned):
        line = Logged(logging.WARNING, WARNINGS, "%s", (line.line,))
    logger = logging.getLogger(line.logger)
    if logger.isEnabledFor(line.level):
        record = logger.makeRecord(line.logger, line.level, "", 0, line.template, line.arguments, None)
        record.exc_text = line.exception or None
        with about_question(line.message_id):
            logger.handle(record)
