"""Discord's ids grow with time, so an id can stand for a moment: everything older has a smaller id."""

from __future__ import annotations

from datetime import datetime

_FIRST_MILLISECOND = 1_420_070_400_000  # 2015 began: https://discord.com/developers/docs/reference#snowflakes
_MILLISECOND_SHIFT = 22


def snowflake_at(moment: datetime) -> int:
    """The smallest id that an object created at this moment can have."""
    return (int(moment.timestamp() * 1000) - _FIRST_MILLISECOND) << _MILLISECOND_SHIFT
