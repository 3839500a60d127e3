"""What the log says of a question, as an operator finds it: by its id."""

from __future__ import annotations

import io
import json
from typing import Any

Line = dict[str, Any]


def lines_about(log: io.StringIO, message_id: int) -> list[Line]:
    """The lines of a log in JSON that name a question."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line.get("message_id") == str(message_id)]


def answered(log: io.StringIO, message_id: int) -> list[Line]:
    """The lines that say how its answers ended."""
    return [line for line in lines_about(log, message_id) if line["event"] == "Answered"]


def outcomes(log: io.StringIO, message_id: int) -> list[str]:
    return [line["outcome"] for line in answered(log, message_id)]
