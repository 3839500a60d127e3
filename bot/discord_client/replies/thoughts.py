"""How a reply shows what a thinking model thought before its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bot.discord_client.replies.markdown.document import read_document
from bot.discord_client.replies.markdown.spans import Weight
from bot.discord_client.replies.splitting import MESSAGE_LIMIT, ReplyPlan

ShowThinking = Literal["off", "spoiler", "file"]

_IN_FILE = "\n-# What I thought is in the attached file."


@dataclass(frozen=True, slots=True)
class ShownThought:
    """A thought, and whether it is shown as a spoiler where that is possible; otherwise in a file."""

    text: str
    as_spoiler: bool


def shown_thought(text: str, show: ShowThinking) -> ShownThought | None:
    """What the setting wants to be shown of a thought; None for nothing."""
    return ShownThought(text, show == "spoiler") if text and show != "off" else None


def with_thought(plan: ReplyPlan, answer: str, thought: ShownThought | None) -> ReplyPlan:
    """Add a thought to the plan of a finished reply: a spoiler at its end, or a file that holds the answer too."""
    if thought is None or not plan.bodies:
        return plan
    *others, last = plan.bodies
    spoiler = f"\n||{' '.join(thought.text.split())}||"
    if thought.as_spoiler and len(last + spoiler) <= MESSAGE_LIMIT and _can_hide(last, spoiler):
        return replace(plan, bodies=(*others, last + spoiler))
    if plan.attachment is None and len(last + _IN_FILE) <= MESSAGE_LIMIT:
        last += _IN_FILE
    parts = [f"# Thought\n\n{thought.text}"]
    if answer.strip():
        parts.append(f"# Answer\n\n{answer.strip()}")
    return ReplyPlan((*others, last), "\n\n".join(parts) + "\n")


def _can_hide(before: str, spoiler: str) -> bool:
    """Whether Discord reads a spoiler as one: nothing in it or before it pairs with its marks, or escapes them."""
    whole, start = before + spoiler, len(before) + 1
    inside = spoiler.strip("\n")[1:-1]  # with one bar on either side
    if "||" in inside or inside.endswith("\\|"):
        return False
    document = read_document(whole)
    hidden = [span for span in document.spans if span.start == start and span.weight is Weight.SPOILER]
    torn = any(span.start < start < span.end for span in document.spans)
    return document.text == whole and not torn and [span.end for span in hidden] == [len(whole)]
