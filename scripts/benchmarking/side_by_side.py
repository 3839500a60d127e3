"""Members who ask in one channel at once: answered side by side, and one after another, in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarking.discord_crowd import Crowd, measure_crowd
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.statistics import gain, verdict
from benchmarking.table import figure
from bot.export.timed_generation import MeasureError
from bot.model.folder import ModelFolder

SIDES = {"side_by_side": {}, "one_after_another": {"MAX_BATCH": "1"}}
"""The bot's settings. With the second, a channel has one answer at a time, and each question sees those before it."""

MEASURED = {
    "first_token_worst": ("waits", "first_token_worst_seconds"),
    "first_token_median": ("waits", "first_token_median_seconds"),
    "first_text_worst": ("waits", "first_text_worst_seconds"),
    "first_text_median": ("waits", "first_text_median_seconds"),
    "generated": ("generated_seconds",),
    "settled": ("settled_seconds",),
}
"""Where a crowd's figures have what is compared, in seconds."""

_ASKING_SECONDS = 1.0


async def side_by_side(folder: ModelFolder, plan: Plan, parent: Path, say: Callable[[str], None]) -> Figures:
    """Measure both sides in each round, each with a bot of its own; the other one begins in every second round.

    Args:
        folder: the model that answers.
        parent: an existing folder for the bots' data, which is deleted in the end.
        say: called with a line of progress.

    Returns:
        `rounds`, the figures of each by side, and `ratios`: how many times longer it takes one after another.

    Raises:
        MeasureError: a question was not answered.
    """
    rounds: list[Figures] = []
    with TemporaryDirectory(dir=parent) as name:
        for number in range(plan.beside_rounds):
            measured: Figures = {}
            for side in list(SIDES)[:: -1 if number % 2 else 1]:
                say(f"round {number + 1} of {plan.beside_rounds}, {side.replace('_', ' ')}")
                crowd = Crowd(side, plan.beside_people, 1, "channel", plan.beside_answer, _ASKING_SECONDS, SIDES[side])
                found = await measure_crowd(crowd, folder.path, Path(name, f"{number}-{side}"))
                if found["answered"] != plan.beside_people:
                    raise MeasureError(f"{found['answered']} of {plan.beside_people} questions were answered, {side}")
                measured[side] = {key: figure(found, path) for key, path in MEASURED.items()}
            rounds.append(measured)
    ratios = {key: [_ratio(each, key) for each in rounds] for key in MEASURED}
    return {"rounds": rounds, "ratios": ratios, "verdicts": {key: verdict(each) for key, each in ratios.items()}}


def _ratio(measured: Figures, key: str) -> float:
    ours, theirs = (measured[side][key] for side in SIDES)
    return gain(ours, theirs, lower_is_better=True) or 0.0
