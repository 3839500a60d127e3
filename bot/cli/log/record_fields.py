"""Finds the fields of a log line in its template.

The bot's own lines read `Event: key=%s other_key=%d`. The keys stand in the template, so nothing that is logged can
pass for a key, and the arguments still have their types.
"""

from __future__ import annotations

import logging
import math
import re
from typing import TypeAlias

Value: TypeAlias = str | int | float | bool | None

_KEY = re.compile(r"(?:^|(?<=\s))([a-z][a-z0-9_]*)=")
_CONVERSION = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?([a-zA-Z%])")
_INTEGERS, _FLOATS = "di", "eEfFgG"


def message_of(record: logging.LogRecord) -> str:
    """The whole message; a template that does not fit its arguments is shown without them."""
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


def split(record: logging.LogRecord) -> tuple[str, dict[str, Value]]:
    """The event, and the fields of the bot's own lines; in libraries' lines a key may be a part of what is logged."""
    is_own = record.name.partition(".")[0] == "bot"
    if not (is_own and isinstance(record.msg, str) and isinstance(record.args, tuple)):
        return message_of(record), {}
    event, *rest = _KEY.split(record.msg)
    arguments = record.args
    texts = [event, *rest[1::2]]
    counts = [sum(kind != "%" for kind in _CONVERSION.findall(text)) for text in texts]
    if not rest or sum(counts) != len(arguments):
        return message_of(record), {}
    values: list[Value] = []
    try:
        for text, count in zip(texts, counts, strict=True):
            values.append(_value(text.rstrip(), arguments[:count]))
            arguments = arguments[count:]
    except (TypeError, ValueError):
        return message_of(record), {}
    return str(values[0]).removesuffix(":"), dict(zip(rest[::2], values[1:], strict=True))


def _value(template: str, arguments: tuple[object, ...]) -> Value:
    # Without arguments logging leaves a template alone, but one part without any may belong to others.
    text = template % arguments
    found = _CONVERSION.fullmatch(template)
    if found is None or len(arguments) != 1:
        return text
    kind, [argument] = found[1], arguments
    if kind in _INTEGERS:
        return int(text)
    if kind in _FLOATS:
        return float(text) if math.isfinite(float(text)) else text
    if argument is None or type(argument) in (bool, int):
        return argument  # type: ignore[return-value]  # by its type
    if isinstance(argument, float) and math.isfinite(argument):
        return argument
    return text
