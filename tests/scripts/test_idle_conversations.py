"""The benchmark's idle conversations: files as the bot would leave them, and their figures."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from benchmarking.bot_without_discord import BotWithoutDiscord
from benchmarking.conversations_file import (
    LONGEST_ANSWER,
    asked_in,
    first_unused_id,
    key_of,
    made_up_conversations,
    write_conversations,
)
from benchmarking.idle_run import read_recent, read_unfinished
from benchmarking.idle_table import idle_table
from benchmarking.plan import QUICK
from benchmarking.prompts import Prompts
from benchmarking.report import new_report, resumed_report, write_report
from benchmarking.text import SYSTEM_PROMPT
from sqlalchemy import Engine, event

from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.conversations import Conversations
from bot.conversation.turn import Turn
from bot.engine.interface import EngineFacts, FinishReason, Generation, GenerationRequest, Outcome, Sampling
from bot.engine.supervisor.token_stream import TokenStream
from bot.model.folder import open_model_folder
from bot.storage.storage import Storage
from tests.scripts.run_script import run_script

TURNS = 12
CONTEXT = 2 * LONGEST_ANSWER
"""Half of it is for the prompt, so twelve turns do not fit."""


class Parrot:
    """An engine that answers with the end of the prompt."""

    facts: EngineFacts | None = None
    restarts = 0

    def __init__(self) -> None:
        self.prompts: list[tuple[int, ...]] = []

    def submit(self, request: GenerationRequest) -> Generation:
        self.prompts.append(request.prompt_ids)
        stream = TokenStream(on_cancel=lambda: None)
        stream.push(request.prompt_ids[-12:])
        stream.finish(Outcome(FinishReason.STOP))
        return stream

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def prompts(small_model_dir: Path) -> Prompts:
    return Prompts(open_model_folder(small_model_dir))


@pytest.fixture(scope="module")
def distinct(prompts: Prompts) -> list[list[Turn]]:
    return made_up_conversations(prompts, CONTEXT, TURNS)


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that any database executes in the block, with their values."""
    executed: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        executed.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@asynccontextmanager
async def written(file: Path, distinct: list[list[Turn]], conversations: int) -> AsyncIterator[Storage]:
    """Open the storage of a new file with this many conversations."""
    await write_conversations(file, distinct, conversations)
    storage = await Storage.open(f"sqlite:///{file.as_posix()}", lambda _: None)
    try:
        yield storage
    finally:
        await storage.close()


async def test_the_bot_reads_the_file(distinct: list[list[Turn]], prompts: Prompts, tmp_path: Path) -> None:
    async with written(tmp_path / "bot.sqlite3", distinct, 20) as storage:
        conversations = Conversations(storage.conversations, SYSTEM_PROMPT)
        opened = await conversations.peek(key_of(13))
        assert [each.asked and each.asked.text for each in opened.branch] == [
            each.asked and each.asked.text for each in distinct[3][-len(opened.branch) :]
        ]
        assert [each.answer for each in opened.branch] == [each.answer for each in distinct[3][-len(opened.branch) :]]
        assert opened.branch[-1].depth == TURNS - 1
        assert opened.branch[-1].asked == asked_in(
            13, TURNS - 1, distinct[3][-1].asked.text if distinct[3][-1].asked else ""
        )
        assert {each.key for each in opened.branch} == {key_of(13)}
        assert {each.answer.tokenizer for each in opened.branch if each.answer} == {
            prompts.builder.tokenizer.fingerprint
        }
        assert await storage.conversations.turn_of(opened.branch[-1].id + 1) == opened.branch[-1].id  # its reply
        assert await storage.conversations.recent(2) == [key_of(19), key_of(18)]
        assert await storage.work.unfinished() == []
        assert dict(await storage.work.channels(3)).keys() == {key_of(number).channel_id for number in (17, 18, 19)}


async def test_a_branch_holds_what_fits_the_next_prompt(
    distinct: list[list[Turn]], prompts: Prompts, tmp_path: Path
) -> None:
    async with written(tmp_path / "bot.sqlite3", distinct, 10) as storage:
        conversations = Conversations(storage.conversations, SYSTEM_PROMPT)
        branches = [(await conversations.peek(key_of(number))).branch for number in range(10)]
        assert all(1 < len(branch) < TURNS for branch in branches)  # trimmed somewhere
        model = ServedModel(Parrot(), prompts.builder, Budget(CONTEXT, LONGEST_ANSWER), Sampling(), 60.0)
        for branch in branches:
            *seen, last = branch
            assert last.asked is not None
            assert model.window.fit(SYSTEM_PROMPT, seen, last.asked).branch == tuple(seen)


async def test_a_question_passes_through_the_whole_core(
    distinct: list[list[Turn]], prompts: Prompts, tmp_path: Path
) -> None:
    engine = Parrot()
    model = ServedModel(engine, prompts.builder, Budget(8 * CONTEXT, LONGEST_ANSWER), Sampling(), 60.0)
    async with written(tmp_path / "bot.sqlite3", distinct, 10) as storage:
        new_id = first_unused_id(10, TURNS)
        bot = BotWithoutDiscord(storage, model, first_id=new_id)
        before = (await bot.conversations.peek(key_of(4))).branch
        answer = await bot.ask(key_of(4), asked_in(4, TURNS, "And then?"))
        assert answer.text == prompts.builder.tokenizer.decode(engine.prompts[0][-12:])
        assert answer.outcome == Outcome(FinishReason.STOP)
        after = await Conversations(storage.conversations, SYSTEM_PROMPT).peek(key_of(4))
        assert after.branch[:-1] == before
        assert after.branch[-1].asked == asked_in(4, TURNS, "And then?")
        assert await storage.conversations.turn_of(new_id + 1) == new_id
        assert await storage.work.unseen([new_id]) == set()
        assert await storage.work.unfinished() == []


async def test_neither_start_nor_mention_scans_idle_conversations(
    distinct: list[list[Turn]], prompts: Prompts, tmp_path: Path
) -> None:
    model = ServedModel(Parrot(), prompts.builder, Budget(CONTEXT, LONGEST_ANSWER), Sampling(), 60.0)
    async with written(tmp_path / "bot.sqlite3", distinct, 10) as storage:
        with statements() as executed:
            await read_unfinished(storage, first_unused_id(10, TURNS))
            bot = BotWithoutDiscord(storage, model, first_id=first_unused_id(10, TURNS))
            await read_recent(bot.conversations, 5)
            await bot.ask(key_of(3), asked_in(3, TURNS, "And then?"))
    with closing(sqlite3.connect(tmp_path / "bot.sqlite3")) as connection:
        plans = [
            step[3]
            for statement, values in executed
            if not statement.startswith("BEGIN")
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert any(plan.startswith("SEARCH turns") for plan in plans)
    tables = "turns", "replies", "seen_messages", "conversations"
    scans = [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1].removesuffix("_1") in tables]
    # This one is ordered by last use, and the query stops when it has enough.
    assert set(scans) == {"SCAN conversations USING INDEX ix_conversations_used_id"}


async def test_few_and_many_have_equal_conversations(distinct: list[list[Turn]], tmp_path: Path) -> None:
    branches = []
    for conversations, number in ((10, 7), (30, 27)):
        async with written(tmp_path / f"{conversations}.sqlite3", distinct, conversations) as storage:
            branch = (await Conversations(storage.conversations, SYSTEM_PROMPT).peek(key_of(number))).branch
            branches.append([(each.asked and each.asked.text, each.answer, each.depth) for each in branch])
    assert branches[0] == branches[1]


def test_the_table_compares_many_with_few() -> None:
    def figures(times: int) -> dict[str, Any]:
        spread = {"p50_seconds": 0.010 * times, "p95_seconds": 0.020}
        seconds = dict.fromkeys(("open_seconds", "look_seconds", "start_seconds", "read_each_seconds"), 0.1)
        sizes = dict.fromkeys(("file_bytes", "started_bytes", "mentioned_bytes", "full_bytes"), 10**8)
        return {**seconds, **sizes, "read": 10, "first_mention": spread, "later_mention": spread}

    table = idle_table({"few": figures(2), "many": figures(3)}, asdict(QUICK))
    assert "| Conversations of 12 turns | 10 | 100 | ratio |" in table
    assert "| First mention in an idle conversation, median, ms | 20.0 | 30.0 | 1.50× |" in table  # noqa: RUF001
    assert "| Memory after that, MB | 100 | 100 | 1.00× |" in table  # noqa: RUF001
    assert idle_table({"failed": "the disk is full"}, asdict(QUICK)) == "Idle conversations: the disk is full\n"


def test_a_resumed_report_keeps_what_was_measured(small_model_dir: Path, tmp_path: Path) -> None:
    folder, output = open_model_folder(small_model_dir), tmp_path / "benchmark"
    report = new_report(folder, QUICK) | {"idle": {"failed": "the disk is full"}}
    write_report(report, output)
    assert "the disk is full" in output.with_suffix(".md").read_text(encoding="utf-8")
    assert "idle" not in resumed_report(folder, QUICK, output)
    output.with_suffix(".json").write_text(json.dumps(report | {"idle": {"few": {}, "many": {}}}), encoding="utf-8")
    assert resumed_report(folder, QUICK, output)["idle"] == {"few": {}, "many": {}}


def test_the_script_measures_idle_conversations_without_an_engine(small_model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "benchmark"
    result = run_script("--size", "quick", "--only", "idle", "--model", small_model_dir, "--output", output)
    assert result.returncode == 0, result.stderr
    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["rounds"] == []
    few, many = (report["idle"][which] for which in ("few", "many"))
    assert many["file_bytes"] > 3 * few["file_bytes"]
    assert (few["read"], many["read"]) == (10, 32)
    for figures in (few, many):
        assert figures["start_seconds"] > 0
        assert 0 < figures["first_mention"]["p50_seconds"] <= figures["first_mention"]["p95_seconds"]
        assert len(figures["all_first_mention_seconds"]) == 10
        assert len(figures["all_later_mention_seconds"]) == QUICK.idle_mentions - 10
        assert 10**7 < figures["started_bytes"] < 10**9
    assert idle_table(report["idle"], report["plan"]) in result.stdout
    assert "SmolLM2-135M-Instruct" in output.with_suffix(".md").read_text(encoding="utf-8")
    # Nothing is left of the files.
    assert {each.name for each in output.parent.iterdir()} == {"benchmark.json", "benchmark.md"}
