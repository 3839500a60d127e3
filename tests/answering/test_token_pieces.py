"""An answer is the same however many tokens of it arrive at once, as several do where drafts were right."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.answering.answer import Answer
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import make_answering, metric, prompt_text, run, turn_of
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import Memory, ask, open_memory
from tests.thinking_models import ids_of, thinking_builder, thinking_template

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_NEW_TOKENS = 700
CIRCLES = " Again and again." * 100
SCRIPTS = {
    "text": ("Hello é½ 🦙🦙, 你好!\n```py\nprint('🦙')\n```\n", FinishReason.STOP),
    "thought": ("<think>\nThey ask 🦙.\n</think>\n\nIt is the 🦙.", FinishReason.STOP),
    "two thoughts": ("<think>a</think><think>b</think>\n\nc", FinishReason.STOP),
    "only a thought": ("<think>\nWait.", FinishReason.STOP),
    "circles": (f"Well.{CIRCLES} And the end.", FinishReason.REPEATED),
    "circles in a thought": (f"<think>{CIRCLES}</think>Well.", FinishReason.REPEATED),
    "too long": ("".join(f"{number} 🦙 " for number in range(500)), FinishReason.LENGTH),
}


@dataclass(frozen=True)
class Seen:
    """What is left of an answer."""

    text: str
    thought: str
    is_thinking: bool
    outcome: Outcome | None
    ids: tuple[int, ...] | None
    next_prompt: str


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> PromptBuilder:
    folder = tmp_path_factory.mktemp("thinking")
    return thinking_builder(folder, thinking_template(), ("<think>", "</think>"))


async def seen_of(builder: PromptBuilder, folder: Path, ids: list[int], piece: int) -> tuple[Seen, list[str]]:
    """Generate an answer in pieces of this size."""
    engine = ScriptedEngine(ids)
    engine.piece = piece
    async with open_memory(folder) as memory:
        answering = make_answering(engine, builder, memory, context_length=4096, max_new_tokens=MOST_NEW_TOKENS)
        question = ask("Hello?")
        answer: Answer = answering.ask(question)
        texts = await run(answer)
        turn = turn_of(answering, question)
        kept = turn.answer.ids if turn is not None and turn.answer is not None else None
        assert metric(answering, "phi3_time_to_first_token_seconds_count") == 1
        seen = Seen(answer.text, answer.thought, answer.is_thinking, answer.outcome, kept, await prompt_text(answering))
    return seen, texts


@pytest.mark.parametrize("name", SCRIPTS)
async def test_it_reads_ends_and_is_remembered_alike(
    builder: PromptBuilder, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    script, reason = SCRIPTS[name]
    ids = ids_of(builder, script)
    one_by_one, _ = await seen_of(builder, tmp_path_factory.mktemp("1"), ids, 1)
    assert one_by_one.outcome == Outcome(reason)
    for piece in range(2, 9):
        seen, texts = await seen_of(builder, tmp_path_factory.mktemp(str(piece)), ids, piece)
        assert seen == one_by_one, piece
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
        assert not any(text.endswith("\ufffd") for text in texts)


@pytest.mark.parametrize("piece", [1, 3, 8])
async def test_a_stopped_answer_keeps_whole_pieces(builder: PromptBuilder, memory: Memory, piece: int) -> None:
    ids = ids_of(builder, SCRIPTS["too long"][0])
    engine = ScriptedEngine(ids)
    engine.piece = piece
    answering = make_answering(engine, builder, memory, context_length=4096, max_new_tokens=MOST_NEW_TOKENS)
    question = ask("Hello?")
    answer = answering.ask(question)
    pieces = 0
    async for _ in answer.texts():
        pieces += 1
        if pieces == 5:
            answer.stop()
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert turn.answer.ids == tuple(ids[: 5 * piece])


async def test_an_answer_in_one_piece_has_no_speed(builder: PromptBuilder, memory: Memory) -> None:
    ids = ids_of(builder, "Yes.")
    engine = ScriptedEngine(ids)
    engine.piece = 8
    answering = make_answering(engine, builder, memory)
    await run(answering.ask(ask("Hello?")))
    assert metric(answering, "phi3_generated_tokens_total") == len(ids)
    assert metric(answering, "phi3_tokens_per_second_count") == 0
    assert answering.throughput.tokens_per_second is None
