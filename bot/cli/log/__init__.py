"""Where the log goes, how its lines look, and what they never show."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from types import TracebackType
from typing import Literal, TypeAlias

from bot.cli.log.formats import JsonFormat, TextFormat
from bot.cli.log.redaction import Redaction

LogFormat: TypeAlias = Literal["text", "json"]

logger = logging.getLogger("bot")


def configure_log(level: str, log_format: LogFormat = "text", secrets: Collection[str] = ()) -> None:
    """Log to stderr from this level on. Libraries never log below INFO: there they show messages, personas and tokens.

    What ends the process, and warnings, are lines of the log, too.

    Args:
        level: for the bot's own lines.
        log_format: of all lines.
        secrets: never shown, whatever logs them.
    """
    redaction = Redaction(secrets)
    handler = _StderrHandler(sys.stderr)
    handler.setFormatter(JsonFormat(redaction) if log_format == "json" else TextFormat(redaction))
    own = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=max(own, logging.INFO), handlers=[handler])
    logger.setLevel(own)
    # At INFO it lists its own plug-ins.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_unexpected


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for type checkers only
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose the line: logging would show the arguments of a record that cannot be written, as they are."""


def _log_unexpected(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        logger.critical("Unexpected error", exc_info=(kind, error, traceback))
    else:
        sys.__excepthook__(kind, error, traceback)
