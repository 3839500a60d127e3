"""The figures as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarking.statistics import gain

ENGINE_TITLES = {"genai": "openvino-genai", "optimum": "optimum-intel"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        label: what the figure is, with its unit.
        path: where it stands in an engine's report.
        decimals: how many decimals are shown.
        factor: what the figure is multiplied with to have the label's unit.
        lower_is_better: which way the gain goes; None for a figure that has no better.
    """

    label: str
    path: tuple[str, ...]
    decimals: int = 1
    factor: float = 1.0
    lower_is_better: bool | None = True


def rows(plan: Mapping[str, Any]) -> list[Row]:
    """Return the table's lines for the sizes in a report's `plan`."""
    one, chats = ("measures", "one_chat"), plan["chats"]
    crowd = ("measures", f"together_{chats[-1]}")
    mention = ("measures", "mention")
    lines = [
        Row("Load and warm-up, s", ("measures", "load", "start_to_ready_seconds")),
        Row("First token right after that, s", ("measures", "after_load", "first_token_seconds"), 2),
        Row(f"First token of a {plan['one_chat_prompt']}-token prompt, s", (*one, "first_token_seconds"), 2),
        Row("1 chat, decoding, tokens/s", (*one, "decode_tokens_per_second"), lower_is_better=False),
    ]
    lines += [
        Row(f"{_chats(count)}, tokens/s in all", ("measures", f"together_{count}", "tokens_per_second"), 1, 1, False)
        for count in chats
        if count > 1
    ]
    lines += [
        Row(f"{_chats(chats[-1])}, first token, median, s", (*crowd, "median_first_token_seconds"), 2),
        Row(f"{_chats(chats[-1])}, first token, worst, s", (*crowd, "worst_first_token_seconds"), 2),
    ]
    for which, key in (("Fresh prompt of {:,} tokens", "fresh"), ("Next turn after {:,} tokens", "next")):
        lines += [
            Row(
                f"{which.format(each)}, first token, s",
                ("measures", f"next_turn_{each}", f"{key}_first_token_seconds"),
                2,
            )
            for each in plan["histories"]
        ]
    return [
        *lines,
        Row("Event loop's lag, whole run, p99, ms", ("loop_lag", "p99_ms"), 1, 1, None),
        Row("Event loop's lag, whole run, worst, ms", ("loop_lag", "worst_ms"), 1, 1, None),
        Row(f"Event loop's lag, {_chats(chats[-1])}, p99, ms", (*crowd, "loop_lag", "p99_ms"), 1, 1, None),
        Row(f"Event loop's lag, {_chats(chats[-1])}, worst, ms", (*crowd, "loop_lag", "worst_ms"), 1, 1, None),
        Row("Memory at most, engine process, GB", ("memory", "engine_bytes"), 2, 1e-9),
        Row("Memory at most, bot process, GB", ("memory", "bot_bytes"), 2, 1e-9, None),
        Row("Mention to first text on Discord, s", (*mention, "mention_to_text_seconds"), 2),
        Row("of which the bot itself, ms", (*mention, "own_seconds"), 0, 1000, None),
        Row("Same question again, equal tokens, %", ("measures", "answers", "again_equal_share"), 0, 100, None),
    ]


def markdown_table(report: Mapping[str, Any]) -> str:
    """Return the table of a report, with the reasons of what has no figure below it."""
    engines: Mapping[str, Any] = report["engines"]
    notes: list[str] = []
    titles = [engine.get("name", ENGINE_TITLES[key]) for key, engine in engines.items()]
    with_gain = set(engines) == set(ENGINE_TITLES)
    lines = ["| | " + " | ".join(titles + ["gain"] * with_gain) + " |"]
    lines.append("|---|" + "---:|" * (len(titles) + with_gain))
    for row in rows(report["plan"]):
        cells = [_cell(row, engine, notes) for engine in engines.values()]
        if with_gain:
            cells.append(_gain(row, engines))
        lines.append("| " + " | ".join([row.label, *cells]) + " |")
    lines += ["", *_agreement(report.get("agreement", {})), _caption(report)]
    if with_gain:
        lines[-1] += " Gain: how many times better openvino-genai is in the same run."
    for number, note in enumerate(notes, 1):
        lines += ["", f"<sup>{number}</sup> {note}"]
    return "\n".join(lines) + "\n"


def figure(engine: Mapping[str, Any], path: tuple[str, ...]) -> float | str:
    """Return a figure of an engine's report, or the reason why there is none."""
    value: Any = engine
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            reasons = value if isinstance(value, Mapping) else {}
            reason = reasons.get("failed") or reasons.get("skipped") or engine.get("failed") or "not measured"
            return str(reason)
        value = value[key]
    return float(value)


def _chats(count: int) -> str:
    return "1 chat" if count == 1 else f"{count} chats together"


def _cell(row: Row, engine: Mapping[str, Any], notes: list[str]) -> str:
    value = figure(engine, row.path)
    if isinstance(value, str):
        if value not in notes:
            notes.append(value)
        return f"–<sup>{notes.index(value) + 1}</sup>"  # noqa: RUF001 - a dash, for no figure
    return f"{value * row.factor:,.{row.decimals}f}"


def _gain(row: Row, engines: Mapping[str, Any]) -> str:
    ours, theirs = (figure(engines[key], row.path) for key in ENGINE_TITLES)
    if row.lower_is_better is None or isinstance(ours, str) or isinstance(theirs, str):
        return ""
    times = gain(ours, theirs, lower_is_better=row.lower_is_better)
    return "" if times is None else f"{times:.{1 if times < 10 else 0}f}×"  # noqa: RUF001 - the sign for times


def _agreement(agreement: Mapping[str, Any]) -> list[str]:
    if "equal_share" not in agreement:
        return []
    return [
        f"The two engines' greedy answers: {agreement['equal_share']:.0%} of the tokens are equal, "
        f"{agreement['identical']} of {agreement['questions']} answers are the same to the last token.",
        "",
    ]


def _caption(report: Mapping[str, Any]) -> str:
    machine, model = report["machine"], report["model"]
    return (
        f"{model['name']} ({model['recipe'] or 'unknown recipe'}, {model['size_bytes'] / 1e9:.2f} GB) on "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['measured_at'][:10]}."
    )
