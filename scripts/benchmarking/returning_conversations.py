"""Many conversations in turn, with a KV cache that holds few of them: each comes back from the disk."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarking.disk import empty_page_cache, settled_bytes
from benchmarking.measures import Figures
from benchmarking.returning_engine import DiskWatch, Setup, loaded_engine
from benchmarking.statistics import percentile
from bot.engine.interface import Engine
from bot.export.timed_generation import generate


async def many_conversations(setup: Setup) -> Figures:
    """Ask in each conversation once, and then once more, when memory has long forgotten it.

    Without the disk cache, a second engine answers some of the later turns beside the first one.
    """
    plan = setup.plan
    tokens = plan.returning_conversation + 2 * plan.returning_answer + plan.next_question
    disk = setup.disk_gigabytes(plan.returning_conversations, tokens)
    options = setup.disk_options("many", plan.returning_in_memory * tokens, disk)
    assert options.disk_cache_dir is not None
    async with loaded_engine(options, watch := DiskWatch()) as engine:
        rounds = _Rounds(setup, engine, watch)
        fresh, fresh_written = await rounds.ask_first()
        await settled_bytes(options.disk_cache_dir)
        page_cache = empty_page_cache(options.disk_cache_dir, whole=plan.returning_empties_page_cache)
        async with loaded_engine(setup.memory_options(tokens)) as without:
            later, later_written, read_again = await rounds.ask_again(without)
        used = await settled_bytes(options.disk_cache_dir)
    return {
        "page_cache": page_cache,
        "with": {
            "fresh": _times(fresh),
            "later": _times(later),
            "from_disk_share": sum(rounds.from_disk) / len(rounds.from_disk),
            "fresh_written_bytes": fresh_written,
            "later_written_bytes": later_written,
            "disk_used_bytes": used,
        },
        "without": {"later": _times(read_again)},
        "all_later_seconds": later,
        "all_without_seconds": read_again,
    }


class _Rounds:
    """Two turns of each conversation.

    Attributes:
        from_disk: the share of each later turn's prompt that came from the disk.
    """

    def __init__(self, setup: Setup, engine: Engine, watch: DiskWatch) -> None:
        self._setup = setup
        self._engine = engine
        self._watch = watch
        self._prompts: list[tuple[int, ...]] = []
        self.from_disk: list[float] = []

    async def ask_first(self) -> tuple[list[float], float]:
        """Return the seconds to each first turn's first token, and the bytes written for a turn."""
        plan, seconds, written = self._setup.plan, [], []
        for number in range(plan.returning_conversations):
            self._setup.say(f"conversation {number + 1} of {plan.returning_conversations}")
            prompt = self._setup.prompts.random_ids(f"returning {number}", plan.returning_conversation)
            run = await generate(self._engine, prompt, plan.returning_answer)
            question = self._setup.prompts.random_ids(f"returning question {number}", plan.next_question)
            self._prompts.append(prompt + run.ids + question)
            seconds.append(run.first_token_seconds)
            written.append(self._watch.written_bytes)
        return seconds, _each(written)

    async def ask_again(self, without: Engine) -> tuple[list[float], float, list[float]]:
        """Return the same of the later turns, and the seconds of those also asked without the disk cache."""
        plan, seconds, written = self._setup.plan, [], []
        read_again: list[float] = []
        every = max(plan.returning_conversations // plan.returning_without, 1)
        for number, prompt in enumerate(self._prompts):
            self._setup.say(f"conversation {number + 1} of {plan.returning_conversations} again")
            run = await generate(self._engine, prompt, plan.returning_answer)
            seconds.append(run.first_token_seconds)
            written.append(self._watch.written_bytes)
            self.from_disk.append(self._watch.from_disk)
            if number % every == 0 and len(read_again) < plan.returning_without:
                read_again.append((await generate(without, prompt, plan.returning_answer)).first_token_seconds)
        return seconds, _each(written), read_again


def _each(written: Sequence[int]) -> float:
    """Return the bytes for one answer; what it leaves is written after its end, and counted with the next one."""
    return (written[-1] - written[0]) / (len(written) - 1)


def _times(seconds: Sequence[float]) -> Figures:
    return {
        "median_seconds": percentile(seconds, 0.5),
        "p95_seconds": percentile(seconds, 0.95),
        "worst_seconds": max(seconds),
    }
