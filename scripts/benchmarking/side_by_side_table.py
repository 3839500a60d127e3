"""Members of one channel answered side by side, against one after another, as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarking.side_by_side import SIDES
from benchmarking.statistics import Spread

LABELS = {
    "first_token_worst": "First token after the question, worst, s",
    "first_token_median": "First token after the question, median, s",
    "first_text_worst": "First text on Discord after the question, worst, s",
    "first_text_median": "First text on Discord after the question, median, s",
    "generated": "All generated after, s",
    "settled": "All on Discord after, s",
}


def side_by_side_table(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the table of what `side_by_side` returned, or the reason why it is missing."""
    if "failed" in figures:
        return f"Side by side: {figures['failed']}\n"
    title = f"{plan['beside_people']} people ask in one channel within a second, {plan['beside_answer']} tokens each"
    lines = [f"| {title} | side by side | one after another | times sooner (least to most) |", "|---|---:|---:|---:|"]
    for key, label in LABELS.items():
        sides = [Spread.of([each[side][key] for each in figures["rounds"]]).median for side in SIDES]
        ratio = Spread.of(figures["ratios"][key])
        spread = f"{ratio.median:.1f} ({ratio.least:.1f} to {ratio.most:.1f})"
        lines.append(f"| {label} | {sides[0]:.1f} | {sides[1]:.1f} | {spread} |")
    return "\n".join([*lines, "", f"Medians of {plan['beside_rounds']} rounds, both sides in turn."]) + "\n"
