"""A moment as Discord's id."""

from __future__ import annotations

from datetime import UTC, datetime

import discord

from bot.conversation.snowflake import snowflake_at


def test_it_is_what_discord_py_makes_of_a_moment() -> None:
    for moment in (datetime(2015, 1, 1, tzinfo=UTC), datetime(2026, 11, 28, 12, 30, 1, 999_000, UTC)):
        assert snowflake_at(moment) == discord.utils.time_snowflake(moment)
