"""The rows of the benchmark's tables, and the line below them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        label: names the figure and its unit.
        path: the figure's keys in the report of an engine's turn.
        factor: converts the figure to the label's unit.
        lower_is_better: None if neither is better.
    """

    label: str
    path: tuple[str, ...]
    decimals: int = 1
    factor: float = 1.0
    lower_is_better: bool | None = True


def rows(plan: Mapping[str, Any]) -> list[Row]:
    """Return the table's rows for the sizes in a report's `plan`."""
    return [*_one_chat_rows(plan), *_chats_rows(plan), *_newcomer_rows(plan), *_crowd_rows(), *_whole_run_rows(plan)]


def _one_chat_rows(plan: Mapping[str, Any]) -> list[Row]:
    one = ("measures", "one_chat")
    lines = [
        Row("Load and warm-up, s", ("measures", "load", "start_to_ready_seconds")),
        Row("First token right after that, s", ("measures", "after_load", "first_token_seconds"), 2),
        Row(f"First token of a {plan['one_chat_prompt']}-token prompt, s", (*one, "first_token_seconds"), 2),
        Row("1 chat, decoding, tokens/s", (*one, "decode_tokens_per_second"), lower_is_better=False),
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
    return lines


def _chats_rows(plan: Mapping[str, Any]) -> list[Row]:
    most = plan["chats"][-1]
    return [
        *(
            Row(
                f"{_chats(count)}, tokens/s in all", ("measures", f"together_{count}", "tokens_per_second"), 1, 1, False
            )
            for count in plan["chats"]
            if count > 1
        ),
        Row(
            f"{_chats(most)}, first token, median, s", ("measures", f"together_{most}", "median_first_token_seconds"), 2
        ),
        Row(f"{_chats(most)}, first token, worst, s", ("measures", f"together_{most}", "worst_first_token_seconds"), 2),
    ]


def _newcomer_rows(plan: Mapping[str, Any]) -> list[Row]:
    newcomer = ("measures", "newcomer")
    return [
        Row("2 answers that stream, longest pause, s", (*newcomer, "longest_pause_before_seconds"), 2),
        Row(
            f"… while a newcomer's {plan['newcomer_prompt']:,}-token prompt is read, 99th percentile, s",
            (*newcomer, "p99_pause_seconds"),
            2,
        ),
        Row("… longest, s", (*newcomer, "longest_pause_seconds"), 2),
        Row("The newcomer's first token, s", (*newcomer, "first_token_seconds"), 1),
    ]


def _crowd_rows() -> list[Row]:
    crowd = ("measures", "crowd")
    return [
        Row("Crowd, first token, median, s", (*crowd, "first_token", "p50_seconds"), 2),
        Row("Crowd, first token, p90, s", (*crowd, "first_token", "p90_seconds"), 2),
        Row("Crowd, first token, p99, s", (*crowd, "first_token", "p99_seconds"), 2),
        Row("Crowd, first token, worst, s", (*crowd, "first_token", "worst_seconds"), 2),
        Row("… of a conversation's first turn, median, s", (*crowd, "first_turns", "p50_seconds"), 2),
        Row("… of a conversation's first turn, p99, s", (*crowd, "first_turns", "p99_seconds"), 2),
        Row("… of its later turns, median, s", (*crowd, "later_turns", "p50_seconds"), 2),
        Row("… of its later turns, p99, s", (*crowd, "later_turns", "p99_seconds"), 2),
        Row("Crowd, wait in the queue, median, s", (*crowd, "waited", "p50_seconds"), 2),
        Row("Crowd, wait in the queue, p95, s", (*crowd, "waited", "p95_seconds"), 2),
        Row("Crowd, questions running on average", (*crowd, "running_on_average"), lower_is_better=None),
        Row("Crowd, tokens/s in all", (*crowd, "tokens_per_second"), lower_is_better=False),
        Row("Crowd, prefix-cache hits, % of prompt tokens", (*crowd, "hit_rate", "all"), 0, 100, None),
        Row("… of later turns, %", (*crowd, "hit_rate", "later_turns"), 0, 100, None),
        Row("… of what the turn before had left in the cache, %", (*crowd, "hit_rate", "known"), 1, 100, None),
        Row("Ten at once, first token of their first, s", (*crowd, "many_at_once", "first_seconds"), 2),
        Row("Ten at once, first token of their last, s", (*crowd, "many_at_once", "last_seconds"), 2),
        Row("Ten at once, others' first token, median, s", (*crowd, "many_at_once", "others_median_seconds"), 2),
        Row("Crowd, questions started out of turn", (*crowd, "begun_out_of_turn"), 0, 1, None),
        Row("Crowd, questions answered exactly once, %", (*crowd, "answered_once_share"), 1, 100, None),
    ]


def _whole_run_rows(plan: Mapping[str, Any]) -> list[Row]:
    most = plan["chats"][-1]
    together, mention = ("measures", f"together_{most}", "loop_lag"), ("measures", "mention")
    return [
        Row("Event loop's lag, whole run, p99, ms", ("loop_lag", "p99_ms"), 1, 1, None),
        Row("Event loop's lag, whole run, worst, ms", ("loop_lag", "worst_ms"), 1, 1, None),
        Row(f"Event loop's lag, {_chats(most)}, p99, ms", (*together, "p99_ms"), 1, 1, None),
        Row(f"Event loop's lag, {_chats(most)}, worst, ms", (*together, "worst_ms"), 1, 1, None),
        Row("Memory at most, engine process, GB", ("memory", "engine_bytes"), 2, 1e-9),
        Row("Memory at most, bot process, GB", ("memory", "bot_bytes"), 2, 1e-9, None),
        Row("Mention to first text on Discord, s", (*mention, "mention_to_text_seconds"), 2),
        Row("of which the bot itself, ms", (*mention, "own_seconds"), 0, 1000, None),
        Row("Same question again, equal tokens, %", ("measures", "answers", "again_equal_share"), 0, 100, None),
    ]


def figure(engine: Mapping[str, Any], path: tuple[str, ...]) -> float | str:
    """Return a figure of an engine's turn, or the reason why it is missing."""
    value: Any = engine
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            reasons = value if isinstance(value, Mapping) else {}
            reason = reasons.get("failed") or reasons.get("skipped") or engine.get("failed") or NOT_MEASURED
            return str(reason)
        value = value[key]
    return float(value)


def _chats(count: int) -> str:
    return "1 chat" if count == 1 else f"{count} chats together"


def machine_line(report: Mapping[str, Any]) -> str:
    """Return a line with the model, the machine and the date of a report."""
    machine, model = report["machine"], report["model"]
    return (
        f"{model['name']} ({model['recipe'] or 'unknown recipe'}, {model['size_bytes'] / 1e9:.2f} GB) on "
        f"{machine['processor']}, {machine['cores']} cores{_instructions(machine['instructions'])}, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['measured_at'][:10]}.\n"
    )


def _instructions(instructions: Mapping[str, bool]) -> str:
    """Return which of them the processor has and lacks; nothing if that is not known."""
    parts = []
    for word, has in (("with", True), ("without", False)):
        if names := [name for name, there in instructions.items() if there is has]:
            parts.append(f" {word} {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}")
    return ",".join(parts)
