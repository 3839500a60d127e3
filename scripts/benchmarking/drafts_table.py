"""What drafts are worth, as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KINDS = {
    "quoting": "Quoting and editing a given text",
    "code": "Code",
    "chat": "Free chat",
}
ASKED = {"draft model": 0.95, "0": 0.95, "0.7": 1.8}
"""By condition of a single chat: how many times as fast as without drafts it should at least be."""

_ASKED_OF_KINDS = {"quoting": 2.0}
_DASH = "–"  # noqa: RUF001 - a dash for no figure
_TIMES = "×"  # noqa: RUF001 - the sign for times


def drafts_table(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return the table of what `drafts` returned, or the reason why it is missing."""
    if "failed" in figures:
        return f"Drafts on and off: {figures['failed']}\n"
    titles = (
        "Drafts on and off",
        "off, tokens/s",
        "on, tokens/s",
        "ratio (least to most)",
        "asked",
        "accepted, %",
        "tokens a step",
        "equal tokens, %",
        "identical answers",
    )
    lines = _header(titles)
    for kind, each in figures["kinds"].items():
        lines.append(
            _line(
                KINDS[kind],
                f"{each['tokens_per_second']['off']['median']:.1f}",
                f"{each['tokens_per_second']['on']['median']:.1f}",
                _ratio(each["ratio"]),
                _asked(_ASKED_OF_KINDS.get(kind)),
                _percent(each["acceptance"]),
                f"{each['tokens_a_step']:.2f}",
                _percent(each["equal_share"]),
                f"{each['identical']} of {each['answers']}",
            )
        )
    return "\n".join([*lines, "", _drafts_caption(figures, plan)]) + "\n"


def oracle_table(figures: Mapping[str, Any]) -> str:
    """Return the table of what `oracle` returned, or the reason why it is missing."""
    if "failed" in figures:
        return f"An oracle's drafts: {figures['failed']}\n"
    titles = (
        "An oracle's drafts",
        "without, tokens/s",
        "with, tokens/s",
        "ratio (least to most)",
        "asked",
        "accepted, %",
        "tokens a step",
        "right ones kept, %",
    )
    lines, notes = _header(titles), []
    for measure in figures["measures"].values():
        if reason := measure.get("failed") or measure.get("skipped"):
            notes += ["", f"{measure['title']}: {reason}"]
            continue
        asked = ASKED if measure["title"] == next(iter(figures["measures"].values()))["title"] else {}
        for condition, each in measure["conditions"].items():
            lines.append(
                _line(
                    f"{measure['title']}, {_condition(condition)}",
                    f"{measure['off']['tokens_per_second']['median']:.2f}",
                    f"{each['tokens_per_second']['median']:.2f}",
                    _ratio(each["ratio"]),
                    _asked(asked.get(condition)),
                    _percent(each["acceptance"]),
                    f"{each['tokens_a_step']:.2f}",
                    _percent(each["kept"]),
                )
            )
    return "\n".join([*lines, "", _oracle_caption(figures), *notes]) + "\n"


def _drafts_caption(figures: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    kinds = list(figures["kinds"].values())
    again = [each["off_again"] for each in kinds]
    answers = sum(each["answers"] for each in again)
    equal = sum(each["equal_share"] * each["answers"] for each in again) / answers
    drafters = f"prompt lookup and the draft model {figures['draft_model']}"
    if not figures["draft_model"]:
        drafters = "prompt lookup alone"
    return (
        f"{plan['drafts_prompts']} questions of each kind, {plan['drafts_rounds']} rounds, asked on, off, off, on, …; "
        f"greedy answers of up to {plan['drafts_answer']} tokens; a ratio for each round. Up to "
        f"{figures['draft_tokens']} tokens a step are drafted by {drafters}. Equal and identical: of the same question "
        f"on and off. Off and off again, {equal:.0%} of the tokens are equal and "
        f"{sum(each['identical'] for each in again)} of {answers} answers identical."
    )


def _oracle_caption(figures: Mapping[str, Any]) -> str:
    model = figures["draft_model"]
    time = (
        f"It takes the time of the draft model {model} for each draft."
        if model
        else "There was no draft model (`--draft-model`), so the oracle takes no time: a real one gains less."
    )
    measured = [each for each in figures["measures"].values() if "conditions" in each]
    departures = sum(each["departures"] for each in measured)
    looked_up = sum(found["looked_up"] for each in measured for found in each["conditions"].values())
    lookup = f" Prompt lookup drafted {looked_up:,} tokens all the same." if looked_up else ""
    return (
        "The oracle is no draft model: it proposes the model's own greedy tokens, recorded without drafts, each right "
        f"with the given probability. {time} Up to {figures['draft_tokens']} tokens a step are drafted. A ratio "
        "compares a run with those without drafts before and after it. Answers stream from a cached prompt, and each "
        "token occurs once in an answer, or prompt lookup would draft too. Kept: the share of the oracle's right "
        f"tokens that the model chose. Answers departed from their recording {departures} times, because a step of one "
        "row rounds otherwise; they were recorded anew from there, off the clock."
        f"{lookup}"
    )


def _condition(name: str) -> str:
    return "the draft model as it is, no oracle" if name == "draft model" else f"oracle right at {name}"


def _header(titles: Sequence[str]) -> list[str]:
    return [_line(*titles), "|---|" + "---:|" * (len(titles) - 1)]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f}{_TIMES} ({ratio['least']:.2f} to {ratio['most']:.2f})"


def _asked(least: float | None) -> str:
    return "" if least is None else f"{least:g}{_TIMES}"


def _percent(share: float | None) -> str:
    return _DASH if share is None else f"{share * 100:.0f}"
