"""Sends the worker's log to the bot, which decides what is shown, and in which format."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.engine.protocol import Event, Logged
from bot.log_context import current_message_id

_WITH_HANDLERS_OF_THEIR_OWN = ("transformers", "optimum", "huggingface_hub")

Argument = str | int | float | None


def forward_log(send: Callable[[list[Event]], None]) -> None:
    """Send this process's own lines, and what libraries warn of.

    Args:
        send: called in any thread.
    """
    logging.basicConfig(handlers=[_Forwarding(send)], force=True)
    logging.getLogger("bot").setLevel(logging.DEBUG)
    logging.captureWarnings(True)


def forward_libraries() -> None:
    """Send the lines of libraries that write to stderr by themselves once they are imported."""
    for name in _WITH_HANDLERS_OF_THEIR_OWN:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True


class _Forwarding(logging.Handler):
    def __init__(self, send: Callable[[list[Event]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send([logged(record, current_message_id())])


def logged(record: logging.LogRecord, message_id: int | None = None) -> Logged:
    """The event for a record; arguments that may not be picklable become a part of the text."""
    template, arguments = str(record.msg), record.args
    exception = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    if isinstance(arguments, tuple):
        simple = tuple(each for each in arguments if isinstance(each, Argument))
        if len(simple) == len(arguments):
            return Logged(record.levelno, record.name, template, simple, exception, message_id)
    return Logged(record.levelno, record.name, "%s", (record.getMessage(),), exception, message_id)
