"""The figures of crowds on Discord as a Markdown table, one column for each crowd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarking.table import Row, figure

ROWS = (
    Row("Questions", ("questions",), 0),
    Row("Answered once and whole", ("answered",), 0),
    Row("Told why not", ("told",), 0),
    Row("Never told", ("never_told",), 0),
    Row("Half answers", ("half",), 0),
    Row("All generated after, s", ("generated_seconds",), 1),
    Row("All on Discord after, s", ("settled_seconds",), 1),
    Row("First text after the question, median, s", ("waits", "first_text_median_seconds"), 1),
    Row("First text after the question, worst, s", ("waits", "first_text_worst_seconds"), 1),
    Row("First text after the first token, median, s", ("lateness", "first_text_median_seconds"), 1),
    Row("First text after the first token, worst, s", ("lateness", "first_text_worst_seconds"), 1),
    Row("Last text after the last token, median, s", ("lateness", "last_text_median_seconds"), 1),
    Row("Last text after the last token, worst, s", ("lateness", "last_text_worst_seconds"), 1),
    Row("Longest time an answer stood still, s", ("lateness", "still_worst_seconds"), 1),
    Row("Messages sent", ("calls", "send"), 0),
    Row("Edits of texts", ("text_edits",), 0),
    Row("Edits of notes, such as the place in the queue", ("note_edits",), 0),
    Row("Deletions", ("calls", "delete"), 0),
    Row("Typing requests", ("calls", "typing"), 0),
    Row("Fetches", ("calls", "history"), 0),
    Row("429", ("refused_429",), 0),
    Row("Tracebacks", ("tracebacks",), 0),
    Row("Memory of the bot's process at most, MB", ("peak_megabytes",), 0),
)


def discord_crowd_table(figures: Mapping[str, Any]) -> str:
    """Return the table of what `discord_crowds` returned, or the reason why it is missing."""
    if "failed" in figures:
        return f"Crowds on Discord: {figures['failed']}\n"
    lines = [f"| Under Discord's limits | {' | '.join(figures)} |", "|---|" + "---:|" * len(figures)]
    for row in ROWS:
        values = [figure(crowd, row.path) for crowd in figures.values()]
        cells = [value if isinstance(value, str) else f"{value:,.{row.decimals}f}" for value in values]
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
