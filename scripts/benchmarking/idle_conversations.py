"""The cost of idle conversations: the same measures with few and with many of them, side by side."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarking.conversations_file import made_up_conversations, write_conversations
from benchmarking.idle_run import IdleFigures, IdleRun, measure_idle_run
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.statistics import percentile
from bot.model.folder import ModelFolder


async def idle_conversations(folder: ModelFolder, plan: Plan, parent: Path, say: Callable[[str], None]) -> Figures:
    """Measure the bot's start, memory and mentions with few and with many conversations, without an engine.

    Args:
        folder: the model whose tokenizer and context length are used.
        parent: an existing folder for the databases, which are deleted in the end.
        say: called with a line of progress.

    Returns:
        `few` and `many`, each with the same figures.
    """
    prompts = Prompts(folder)
    distinct = made_up_conversations(prompts, folder.context_length, plan.idle_turns)
    with TemporaryDirectory(dir=parent) as name:
        files = {}
        for conversations in plan.idle_conversations:
            say(f"writing {conversations:,} conversations of {plan.idle_turns} turns")
            files[conversations] = Path(name, f"{conversations}.sqlite3")
            began = time.perf_counter()
            await write_conversations(files[conversations], distinct, conversations)
            say(f"written in {time.perf_counter() - began:.0f} s")
        found: dict[int, list[IdleFigures]] = {conversations: [] for conversations in files}
        for number in range(plan.idle_runs):
            say(f"run {number + 1} of {plan.idle_runs}")
            for conversations, file in files.items():
                run = _run(folder, prompts, plan, conversations, number, _copy(file))
                found[conversations].append(await _in_new_process(run))
        sizes = {conversations: file.stat().st_size for conversations, file in files.items()}
    few, many = ({"file_bytes": sizes[each], **_summary(found[each])} for each in plan.idle_conversations)
    return {"few": few, "many": many}


def _copy(file: Path) -> Path:
    """Copy the file for one run, which changes it; the copy is on the disk before the run's own writes wait for it."""
    copy = file.with_suffix(".run")
    for left in file.parent.glob(f"{copy.name}*"):
        left.unlink()
    shutil.copyfile(file, copy)
    with copy.open("r+b") as written:
        os.fsync(written.fileno())
    return copy


def _run(folder: ModelFolder, prompts: Prompts, plan: Plan, conversations: int, number: int, file: Path) -> IdleRun:
    answer = prompts.made_up_answer("idle run").ids
    assert answer is not None  # the prompts' own answers have ids
    return IdleRun(
        file=file,
        model_dir=folder.path,
        conversations=conversations,
        turns=plan.idle_turns,
        questions=tuple(prompts.made_up_question(f"idle run {each}") for each in range(plan.idle_mentions)),
        answer_ids=answer,
        seed=number,
    )


async def _in_new_process(run: IdleRun) -> IdleFigures:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return await asyncio.get_running_loop().run_in_executor(process, measure_idle_run, run)


def _summary(runs: Sequence[IdleFigures]) -> Figures:
    first = [seconds for run in runs for seconds in run.first_seconds]
    later = [seconds for run in runs for seconds in run.later_seconds]
    return {
        "open_seconds": median(run.open_seconds for run in runs),
        "look_seconds": median(run.look_seconds for run in runs),
        "start_seconds": median(run.open_seconds + run.look_seconds for run in runs),
        "read": runs[0].read,
        "read_each_seconds": median(run.read_seconds / run.read for run in runs),
        "first_mention": {"p50_seconds": percentile(first, 0.5), "p95_seconds": percentile(first, 0.95)},
        "later_mention": {"p50_seconds": percentile(later, 0.5), "p95_seconds": percentile(later, 0.95)},
        "started_bytes": median(run.started_bytes for run in runs),
        "mentioned_bytes": median(run.mentioned_bytes for run in runs),
        "full_bytes": median(run.full_bytes for run in runs),
        "all_start_seconds": [run.open_seconds + run.look_seconds for run in runs],
        "all_first_mention_seconds": first,
        "all_later_mention_seconds": later,
    }
