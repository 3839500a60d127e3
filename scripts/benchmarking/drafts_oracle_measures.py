"""The measures of an oracle's drafts, and the engines for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from bot.model.folder import ModelFolder

if TYPE_CHECKING:
    from benchmarking.drafts_oracle_runs import OracleRuns

DRAFT_MODEL = "draft model"
CHANCES: dict[str, float | None] = {DRAFT_MODEL: None, "0": 0.0, "0.5": 0.5, "0.7": 0.7, "0.9": 0.9}
"""By condition: the probability that a token of the oracle is right; None where the draft model drafts as it is."""

_FEW = ("0", "0.7")
_ONE = ("0.7",)


@dataclass(frozen=True, slots=True)
class Measure:
    """Answers that stream together, in several conditions.

    Attributes:
        title: what streams.
        prompts: of the answers.
        answer_tokens: of each answer.
    """

    title: str
    conditions: tuple[str, ...]
    prompts: tuple[tuple[int, ...], ...]
    answer_tokens: int

    @property
    def longest(self) -> int:
        """Tokens of its longest conversation."""
        return max(map(len, self.prompts)) + self.answer_tokens


async def oracle(
    folder: ModelFolder,
    plan: Plan,
    parent: Path,
    say: Callable[[str], None],
    *,
    draft_model: Path | str | None,
    keep: Callable[[Figures], None],
) -> Figures:
    """Let an oracle draft for a model, in one chat, in several at once, and after a long history.

    Args:
        parent: an existing folder for a random draft model, which is deleted in the end.
        say: called with a line of progress.
        draft_model: the folder of a draft model whose time the oracle takes; a name instead of a path makes one of
            random weights.
        keep: called with the figures so far after each measure, so that an interruption costs little.

    Returns:
        `measures` by name. One that fails holds the reason as `failed`, one that does not fit the context as `skipped`.

    Raises:
        ConfigurationError: a model does not load.
    """
    # Only now: OpenVINO's memory would count as the bot's in measures before this one.
    from benchmarking.drafts_oracle_runs import OracleRuns
    from benchmarking.drafts_random_model import write_random_draft_model

    measures = oracle_measures(Prompts(folder), plan, has_draft_model=draft_model is not None)
    fitting = {name: each for name, each in measures.items() if each.longest <= folder.context_length}
    with TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as name:
        if isinstance(draft_model, str):
            say("making a draft model of random weights")
            draft_model = await asyncio.to_thread(write_random_draft_model, Path(name), folder)
        say("loading the model twice: with drafts and without")
        runs = OracleRuns.load(folder, draft_model, list(fitting.values()), plan.oracle_rounds)
        figures: Figures = {
            "draft_tokens": runs.draft_tokens,
            "draft_model": runs.draft_model,
            "measures": {},
            "complete": False,
        }
        too_long = f"it does not fit the model's context of {folder.context_length} tokens"
        for name, each in measures.items():
            fits = name in fitting
            found = await _measure(runs, each, partial(_say_of, say, name)) if fits else {"skipped": too_long}
            figures["measures"][name] = {"title": each.title, **found}
            keep(figures)
    return figures | {"complete": True}


async def _measure(runs: OracleRuns, measure: Measure, say: Callable[[str], None]) -> Figures:
    try:
        return await runs.measure(measure, say)
    except Exception as error:  # noqa: BLE001 - reported with its reason; the other measures go on
        reason = " ".join(str(error).split()) or type(error).__name__
        say(f"failed: {reason}")
        return {"failed": reason}


def oracle_measures(prompts: Prompts, plan: Plan, *, has_draft_model: bool) -> dict[str, Measure]:
    """Return the measures by name; the most telling one comes first."""

    def chats(count: int, length: int) -> tuple[tuple[int, ...], ...]:
        return tuple(prompts.random_ids(f"oracle {count} {length} {chat}", length) for chat in range(count))

    return {
        "one_chat": Measure(
            f"1 chat after {plan.oracle_prompt:,} tokens",
            tuple(name for name in CHANCES if has_draft_model or name != DRAFT_MODEL),
            chats(1, plan.oracle_prompt),
            plan.oracle_answer,
        ),
        "history": Measure(
            f"1 chat after {plan.oracle_history:,} tokens", _ONE, chats(1, plan.oracle_history), plan.oracle_answer
        ),
        **{
            f"together_{count}": Measure(
                f"{count} chats together", _FEW, chats(count, plan.oracle_chat_prompt), plan.oracle_chat_answer
            )
            for count in plan.oracle_chats
        },
    }


def _say_of(say: Callable[[str], None], name: str, line: str) -> None:
    say(f"{name}: {line}")
