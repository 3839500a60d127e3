"""The text of `/context`."""

from __future__ import annotations

from collections.abc import Sequence

from discord.utils import escape_markdown, escape_mentions

from bot.conversation.context_window import ContextUsage
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import Turn, UserMessage
from bot.conversation.wording import one_line

_LONGEST_MESSAGE = 2000
_BAR_LENGTH = 20
_SNIPPET_LENGTH = 60
_SUMMARY_LENGTH = 500
"""Escaped, it may be twice as long."""


def context_text(
    opened: OpenConversation, usage: ContextUsage, prompt_limit: int, persona_source: str, title: str = ""
) -> str:
    """Describe how full the context is and what the model sees, in the length of one message.

    Args:
        opened: the conversation before its next question.
        usage: how that conversation uses the context.
        prompt_limit: the longest prompt, in tokens.
        persona_source: the scope whose persona applies, such as "this channel".
        title: the first line.
    """
    head = [
        *filter(None, [title]),
        *_how_full(usage, prompt_limit),
        f"**Persona:** from {persona_source}; see `/persona show`.",
        *_unseen(opened, usage),
        *_summary(opened, usage),
    ]
    seen = [line for turn in usage.branch if not turn.is_summary and (line := _turn_line(turn))]
    if not seen:
        return "\n".join([*head, "I see nothing earlier here. The next question starts a conversation."])
    head.append("**What I can see**, newest last:")
    return "\n".join([*head, *_newest(seen, _LONGEST_MESSAGE - len("\n".join([*head, ""])))])


def _how_full(usage: ContextUsage, prompt_limit: int) -> list[str]:
    free = max(0, prompt_limit - usage.system_prompt - usage.history)
    used = {
        "🟦 System prompt": usage.system_prompt,
        "🟩 History": usage.history,
        "⬜ Free": free,
        "🟨 Reserved for the answer": usage.reserve,
        # A setting may ask for shorter prompts than the context allows.
        "⬛ Unused": max(0, usage.context - usage.reserve - prompt_limit),
    }
    legend = [f"{name}: {_tokens(tokens)}, {tokens / usage.context:.0%}" for name, tokens in used.items()]
    if not used["⬛ Unused"]:
        legend.pop()
    cells = zip(used, _cells(list(used.values())), strict=True)
    bar = "".join(name[0] * count for name, count in cells)
    return [f"**Context:** {_tokens(usage.context)}", bar, *legend]


def _cells(parts: Sequence[int]) -> list[int]:
    """Divide the bar among the parts by Sainte-Laguë's method; every part above zero gets a cell."""
    cells = [min(part, 1) for part in parts]
    while sum(cells) < _BAR_LENGTH:
        widest = max(range(len(parts)), key=lambda index: parts[index] / (2 * cells[index] + 1))
        cells[widest] += 1
    return cells


def _unseen(opened: OpenConversation, usage: ContextUsage) -> list[str]:
    """Lines about turns that the model does not see any more, or will not see soon."""
    lines = []
    turns, kept = ([turn for turn in each if not turn.is_summary] for each in (opened.branch, usage.branch))
    first = turns[0] if turns else None
    # A thread sees the turn that it grew from; the turns before that belong to another conversation.
    earlier = first.depth if first is not None and first.key == opened.conversation.key else 0
    leaving = sum(turn.asked is not None for turn in turns[: len(turns) - len(kept)])
    if not opened.conversation.past_known:
        lines.append("The database is unavailable, so I cannot see what was said earlier.")
    if earlier:
        lines.append(f"No longer in the context: {_turns(earlier)}.")
    if leaving:
        lines.append(f"Trimmed at the next question, to make room: {_turns(leaving)}.")
    return lines


def _summary(opened: OpenConversation, usage: ContextUsage) -> list[str]:
    """A line with the latest summary, which the model sees, or will see after the next trim."""
    summary = next((turn for turn in reversed(opened.branch) if turn.is_summary), None)
    if summary is None or summary.answer is None:
        return []
    name = "Summary of earlier turns" if summary in usage.branch[:1] else "Summary that will replace the oldest turns"
    return [f"**{name}:** {_shown(summary.answer.content, _SUMMARY_LENGTH)}"]


def _turns(count: int) -> str:
    return "1 earlier turn" if count == 1 else f"{count:,} earlier turns"


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count:,} tokens"


def _newest(lines: Sequence[str], room: int) -> list[str]:
    """The lines, or the newest that fit below a line that counts the older ones."""
    if len("\n".join(lines)) <= room:
        return list(lines)
    room -= len(_and_older(len(lines)))
    listed: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        listed.append(line)
    return [_and_older(len(lines) - len(listed)), *reversed(listed)]


def _and_older(count: int) -> str:
    return f"(and {count:,} older ones)"


def _turn_line(turn: Turn) -> str:
    """A turn in one short line; "" for an erased one."""
    if turn.asked is None or turn.answer is None:
        return ""
    return (
        f"**{_shown(one_line(turn.asked.author_name))}:** {_shown(_said(turn.asked))} → {_shown(turn.answer.content)}"
    )


def _said(asked: UserMessage) -> str:
    repeated = asked.repeated.text if asked.repeated else ""
    return asked.own_text or repeated or ", ".join(file.name for file in asked.own_files)


def _shown(text: str, most: int = _SNIPPET_LENGTH) -> str:
    """The beginning of a text, escaped for a Discord message."""
    text = " ".join(text.split())
    text = text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
    # Links too: the text is cut, and half a link leads nowhere.
    return escape_mentions(escape_markdown(text, ignore_links=False))
