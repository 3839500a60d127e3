"""What a history costs whoever returns to it, as Markdown tables: with the disk cache, without it, and the ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarking.statistics import gain
from benchmarking.table import Row, figure

AFTER_KILL_ROWS = (
    Row("Mention to first text on Discord, median, s", ("median_seconds",), 2),
    Row("Mention to first text on Discord, worst, s", ("worst_seconds",), 2),
    Row("Prompt tokens from the disk, prefill-ahead included", ("tokens_from_disk",), 0, 1, None),
    Row("Start until the bot is online, median, s", ("online_seconds",), 1, 1, None),
    Row("On disk at the kill, MB", ("on_disk_bytes",), 1, 1e-6, None),
)
MANY_ROWS = (
    Row("First turn, first token, median, s", ("fresh", "median_seconds"), 2),
    Row("Next turn, first token, median, s", ("later", "median_seconds"), 2),
    Row("Next turn, first token, p95, s", ("later", "p95_seconds"), 2),
    Row("Next turn, first token, worst, s", ("later", "worst_seconds"), 2),
    Row("Next turn, prompt tokens from the disk, %", ("from_disk_share",), 1, 100, None),
    Row("Written for a first turn, MB", ("fresh_written_bytes",), 1, 1e-6, None),
    Row("Written for a next turn, MB", ("later_written_bytes",), 1, 1e-6, None),
    Row("Disk used, MB", ("disk_used_bytes",), 1, 1e-6, None),
)
PHASES = {
    "reading": "until its first token",
    "writing": "in the steps after it",
}
_NOT_MEASURED = {"failed": "not measured"}
_DASH = "–"  # noqa: RUF001 - a dash for no figure


def returning_table(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the tables of what `returning` returned, or the reasons why they are missing."""
    if "failed" in figures:
        return f"Returning to a history: {figures['failed']}\n"
    after_kill, many, streams = (figures.get(name, _NOT_MEASURED) for name in ("after_kill", "many", "streams"))
    parts = [_after_kill(after_kill), _streams(streams, plan), _many(many, plan)]
    if not figures["disk_cache"]:
        parts.insert(0, ["**This engine has no disk cache:** both columns read everything anew."])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _after_kill(figures: Mapping[str, Any]) -> list[str]:
    if "failed" in figures:
        return [f"After a kill: {figures['failed']}"]
    title = f"After a kill, a conversation of {figures['history_tokens']:,} tokens"
    return [*_table(title, AFTER_KILL_ROWS, figures), "", f"Page cache before each start: {figures['page_cache']}."]


def _many(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    if "failed" in figures:
        return [f"Many conversations: {figures['failed']}"]
    title = (
        f"{plan['returning_conversations']} conversations of {plan['returning_conversation']:,} tokens in turn, "
        f"memory for {plan['returning_in_memory']}"
    )
    note = (
        f"Without: {len(figures['all_without_seconds'])} of the next turns, each right after the same with the disk "
        f"cache. Page cache before the next turns: {figures['page_cache']}."
    )
    return [*_table(title, MANY_ROWS, figures), "", note]


def _table(title: str, rows: Sequence[Row], figures: Mapping[str, Any]) -> list[str]:
    """Return a table with a column of how many times better the disk cache is."""
    lines = [f"| {title} | disk cache | without | gain |", "|---|---:|---:|---:|"]
    for row in rows:
        values = [figure(figures[side], row.path) for side in ("with", "without")]
        cells = [_DASH if isinstance(each, str) else f"{each * row.factor:,.{row.decimals}f}" for each in values]
        lines.append(f"| {row.label} | {' | '.join(cells)} | {_gain(row, values)} |")
    return lines


def _gain(row: Row, values: Sequence[float | str]) -> str:
    ours, theirs = values
    if row.lower_is_better is None or isinstance(ours, str) or isinstance(theirs, str):
        return ""
    times = gain(ours, theirs, lower_is_better=row.lower_is_better)
    return "" if times is None else f"{times:.1f}×"  # noqa: RUF001 - the sign for times


def _streams(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    if "failed" in figures:
        return [f"Beside two streams: {figures['failed']}"]
    title = f"Pauses of 2 streams while {plan['returning_newcomer']:,} tokens are read and written"
    lines = [f"| {title} | disk cache | without | ratio (least to most) |", "|---|---:|---:|---:|"]
    for phase, when in PHASES.items():
        for which, name in (("median", "median"), ("p95", "p95")):
            ours, theirs = (figures[side][phase][f"{name}_seconds"] * 1000 for side in ("with", "without"))
            ratio = figures["ratios"][phase][which]
            spread = f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"
            lines.append(f"| … {when}, {name}, ms | {ours:,.0f} | {theirs:,.0f} | {spread} |")
    loading = figures["loading"]
    lines.append(f"| … written meanwhile, MB | {figures['written_bytes'] / 1e6:,.1f} | {_DASH} | |")
    loaded = f"{plan['returning_history']:,} tokens are loaded (aim: {figures['longest_pause_setting']}), s"
    lines += [
        f"| Longest pause while {loaded} | {loading['longest_pause_seconds']:.2f} | {_DASH} | |",
        f"| … first token of their conversation, s | {loading['first_token_seconds']:.2f} | {_DASH} | |",
        f"| … their tokens from the disk, % | {loading['from_disk_share'] * 100:.1f} | {_DASH} | |",
    ]
    note = f"{plan['returning_runs']} runs with and without in turn. Page cache before them: {figures['page_cache']}."
    return [*lines, "", note]
