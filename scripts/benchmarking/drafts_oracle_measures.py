"""The measures of an oracle's drafts, and the engines for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from bot.model.folder import ModelFolder

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
    parent: Path,  # noqa: ARG001 - every part of the benchmark gets it; this one writes nothing
    say: Callable[[str], None],
    *,
    draft_model: Path | None,
    keep: Callable[[Figures], None],
) -> Figures:
    """Let an oracle draft for a model, in one chat, in several at once, and after a long history.

    Args:
        say: called with a line of progress.
        draft_model: the folder of a draft model whose time the oracle takes.
        keep: called with the figures so far after each measure, so that an interruption costs little.

    Returns:
        `measures` by name. One that fails holds the reason as `failed`, one that does not fit the context as `skipped`.

    Raises:
        ConfigurationError: a model does not load.
    """
    # Only now: OpenVINO's memory would count as the bot's in measures before this one.
    from benchmarking.drafts_oracle_runs import OracleRuns

    measures = oracle_measures(Prompts(folder), plan, has_draft_model=draft_model is not None)
    fitting = {name: each for name, each in measures.items() if each.longest <= folder.context_length}
    say("loading the model twice: with drafts and without")
    runs = OracleRuns.load(folder, draft_model, list(fitting.values()), plan.oracle_rounds)
    figures: Figures = {
        "draft_tokens": runs.draft_tokens,
        "draft_model": runs.draft_model,
        "measures": {},
        "complete": False,
    }
    for name, each in measures.items():
        found: Figures = {"skipped": f"{each.longest} tokens do not fit the model's context of {folder.context_length}"}
        if name in fitting:
            try:
                found = await runs.measure(each, lambda line, name=name: say(f"{name}: {line}"))
            except Exception as error:  # noqa: BLE001 - reported with its reason; the other measures go on
                found = {"failed": " ".join(str(error).split()) or type(error).__name__}
                say(f"{name} failed: {found['failed']}")
        figures["measures"][name] = {"title": each.title, **found}
        keep(figures)
    return figures | {"complete": True}


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
        **{
            f"together_{count}": Measure(
                f"{count} chats together", _FEW, chats(count, plan.oracle_chat_prompt), plan.oracle_chat_answer
            )
            for count in plan.oracle_chats
        },
        "history": Measure(
            f"1 chat after {plan.oracle_history:,} tokens", _ONE, chats(1, plan.oracle_history), plan.oracle_answer
        ),
    }
