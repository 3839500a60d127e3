"""The cost of idle conversations as a Markdown table: few of them, many of them, and the ratio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarking.table import Row, figure

ROWS = (
    Row("Database file, MB", ("file_bytes",), 1, 1e-6, None),
    Row("Start: open the database, ms", ("open_seconds",), 0, 1000),
    Row("… read unfinished questions and up to 200 channels, ms", ("look_seconds",), 0, 1000),
    Row("… both, until the bot takes questions, ms", ("start_seconds",), 0, 1000),
    Row("Conversations read after the start (at most 32)", ("read",), 0, 1, None),
    Row("… each of them, ms", ("read_each_seconds",), 1, 1000),
    Row("Memory after that, MB", ("started_bytes",), 0, 1e-6),
    Row("Memory after mentions in ten conversations, MB", ("mentioned_bytes",), 0, 1e-6),
    Row("Memory with as many conversations as it keeps (at most 256), MB", ("full_bytes",), 0, 1e-6, None),
    Row("First mention in an idle conversation, median, ms", ("first_mention", "p50_seconds"), 1, 1000),
    Row("First mention in an idle conversation, p95, ms", ("first_mention", "p95_seconds"), 1, 1000),
    Row("Later mention in it, median, ms", ("later_mention", "p50_seconds"), 1, 1000),
    Row("Later mention in it, p95, ms", ("later_mention", "p95_seconds"), 1, 1000),
)


def idle_table(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the table of what `idle_conversations` returned, or the reason why it is missing."""
    if "failed" in figures:
        return f"Idle conversations: {figures['failed']}\n"
    few, many = plan["idle_conversations"]
    lines = [f"| Conversations of {plan['idle_turns']} turns | {few:,} | {many:,} | ratio |", "|---|---:|---:|---:|"]
    for row in ROWS:
        values = [float(figure(figures[which], row.path)) for which in ("few", "many")]
        cells = [f"{value * row.factor:,.{row.decimals}f}" for value in values]
        ratio = "" if row.lower_is_better is None else f"{values[1] / values[0]:.2f}×"  # noqa: RUF001 - the sign for times
        lines.append("| " + " | ".join([row.label, *cells, ratio]) + " |")
    note = (
        f"The bot's share of a mention, from the message to the record of its delivery, without Discord and with a "
        f"fake engine. {plan['idle_runs']} runs with each number in turn, each in a new process with "
        f"{plan['idle_mentions']} mentions."
    )
    return "\n".join([*lines, "", note]) + "\n"
