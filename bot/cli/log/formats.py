"""The two looks of a log line. No value can begin a line of its own in either."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime

from bot.cli.log.record_fields import Value, message_of, split
from bot.cli.log.redaction import Redaction
from bot.log_context import current_message_id

_FIELD = "message_id"
_LARGEST_EXACT = 2**53 - 1
_OWN_KEYS = ("time", "level", "logger", "event", "exception")
# Line breaks of every kind, what moves a terminal's cursor, and what turns the direction of writing around.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_INDENT = "    "
"""In front of every line of a traceback: a line that begins at the margin is the bot's."""


class TextFormat(logging.Formatter):
    """Event first, then `key=value`; a traceback follows on indented lines.

    Args:
        redaction: hides secrets.
    """

    def __init__(self, redaction: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: ")
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        message, (_, fields) = message_of(record), split(record)
        if _FIELD not in fields and (message_id := current_message_id()) is not None:
            message += f" {_FIELD}={message_id}"
        record.asctime = self.formatTime(record)
        lines = [self.formatMessage(record) + _escaped(self._redaction(message))]
        if exception := _exception(self, record):
            lines += [_INDENT + _escaped(line) for line in self._redaction(exception).split("\n")]
        return "\n".join(lines)


class JsonFormat(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `event`, the fields, `exception`.

    Args:
        redaction: hides secrets.
    """

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        event, fields = split(record)
        if (message_id := current_message_id()) is not None:
            fields.setdefault(_FIELD, message_id)
        line: dict[str, Value] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": self._redaction(event),
        }
        for key, value in fields.items():
            name = f"{key}_" if key in _OWN_KEYS else key
            line[name] = self._redaction(value) if isinstance(value, str) else _exact(value)
        if exception := _exception(self, record):
            line["exception"] = self._redaction(exception)
        return json.dumps(line)  # in ASCII, so that no character is a line break to anybody


def _exact(value: Value) -> Value:
    """A value that every reader takes as it is: many round larger numbers, Discord's ids among them."""
    return str(value) if isinstance(value, int) and abs(value) > _LARGEST_EXACT else value


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback with those of its causes, and the stack that was asked for."""
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        # Not kept in the record as logging does: another handler's would be shown as it is.
        parts.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _escaped(line: str) -> str:
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], line)
