"""Questions that a real model in a real engine process answers."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.budget import Budget
from bot.conversation.tree import Conversation
from bot.engine.interface import EngineOptions, FinishReason, Outcome, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.prompting.prompt import Message, PromptBuilder
from tests.answering.answers import (
    CAPITAL,
    COUNT,
    SYSTEM,
    Make,
    accept,
    ask_in,
    channel,
    make_answering,
    metric,
    prompt_text,
    run,
    stored_outcome,
    turn_of,
)
from tests.conversation.memory import HERE, Memory, ask
from tests.phi3_tokenizer import write_phi3_tokenizer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def conversation_here(answering: AnswerService) -> Conversation:
    conversation = answering.conversations.find(HERE)
    assert conversation is not None
    return conversation


async def test_an_answer_grows_and_is_remembered(make: Make, memory: Memory) -> None:
    answering = make()
    question = await accept(memory, ask(CAPITAL))
    answer = answering.ask(question)
    texts = await run(answer)
    assert "Paris" in answer.text
    assert len(texts) > 3
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert answer.outcome == Outcome(FinishReason.STOP)
    assert answer.shortened is None
    dialogue = f"<|im_start|>user\n{CAPITAL}<|im_end|>\n<|im_start|>assistant\n{answer.text}<|im_end|>\n"
    assert dialogue in await prompt_text(answering)
    assert dialogue in await prompt_text(make()), "the file has it too"
    assert await stored_outcome(memory, question) == answer.outcome
    assert answering.throughput.tokens_per_second is not None
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert turn.answer.ids is not None
    assert answering.model.builder.tokenizer.decode(turn.answer.ids) == answer.text


async def test_names_precede_the_text_once_two_members_talk(make: Make) -> None:
    answering = make(max_new_tokens=4)
    await run(answering.ask(ask("Hello.", "Ada")))
    await run(answering.ask(ask("Hi.", "Grace [admin]")))
    text = await prompt_text(answering)
    assert "<|im_start|>user\nHello.<|im_end|>" in text
    assert "(Until now Ada was speaking.)\n[Grace admin] Hi.<|im_end|>" in text


async def test_questions_of_one_conversation_are_answered_in_order(make: Make) -> None:
    answering = make(max_new_tokens=12)
    events: list[str] = []

    async def run_noting(name: str) -> None:
        async for _ in answering.ask(ask(f"Tell me about {name}.")).texts():
            events.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("rain", "snow", "wind"):
            group.create_task(run_noting(name))
    assert list(dict.fromkeys(events)) == ["rain", "snow", "wind"]
    assert events == sorted(events, key=["rain", "snow", "wind"].index)
    text = await prompt_text(answering)
    assert text.index("rain") < text.index("snow") < text.index("wind")
    assert answering.queue.idle


async def test_two_conversations_run_at_once_and_stay_apart(make: Make) -> None:
    answering = make(max_new_tokens=20)
    both_running = asyncio.Event()

    async def run_noting(name: str) -> None:
        async for _ in answering.ask(ask_in(name, f"{COUNT} ({name})")).texts():
            if answering.queue.running == 2:
                both_running.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(run_noting("first"))
        group.create_task(run_noting("second"))
    assert both_running.is_set()
    assert "(first)" in await prompt_text(answering, channel("first"))
    assert "(second)" not in await prompt_text(answering, channel("first"))
    assert "(first)" not in await prompt_text(answering, channel("second"))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_new_tokens": 5}, FinishReason.LENGTH),
        ({"max_new_tokens": 7000, "time_limit_seconds": 0.5}, FinishReason.TIMEOUT),
    ],
)
async def test_the_answer_ends_as_the_engine_says(
    make_endless: Make, limits: dict[str, float], reason: FinishReason
) -> None:
    answering = make_endless(context_length=8192, **limits)
    answer = answering.ask(ask(COUNT))
    await run(answer)
    assert answer.outcome is not None
    assert answer.outcome.reason is reason
    assert answer.text in await prompt_text(answering)


async def test_a_closed_engine_cancels(small_model_dir: Path, chatml: PromptBuilder, memory: Memory) -> None:
    closed = EngineSupervisor(EngineOptions(engine="paged", model_dir=small_model_dir))
    await closed.close()
    answer = make_answering(closed, chatml, memory).ask(ask(COUNT))
    assert await run(answer) == []
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.CANCELLED


async def test_a_running_answer_ends_with_the_model_it_began_with(
    make: Make, engine: EngineSupervisor, chatml: PromptBuilder, tmp_path: Path
) -> None:
    answering = make(max_new_tokens=20)
    alone = make(max_new_tokens=20).ask(ask(COUNT, key=channel("alone")))
    await run(alone)
    (tmp_path / "other").mkdir()
    other = write_phi3_tokenizer(tmp_path / "other").builder
    question = ask(COUNT)
    answer = answering.ask(question)
    async for _ in answer.texts():
        if answering.model.builder is chatml:
            answering.adopt(ServedModel(engine, other, Budget(2048, 20), Sampling(), 60.0))
    assert answer.text == alone.text
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert turn.answer.tokenizer == chatml.tokenizer.fingerprint
    said = [Message("system", SYSTEM), Message("user", COUNT), Message("assistant", answer.text)]
    assert await prompt_text(answering) == other.build([*said, Message("user", "NEXT")]).text
    assert conversation_here(answering).cached_by is None


async def test_an_answered_conversation_is_in_the_cache(make: Make, engine: EngineSupervisor) -> None:
    answering = make(max_new_tokens=4)
    await run(answering.ask(ask("Hello.")))
    assert engine.facts is not None
    assert conversation_here(answering).cached_by == engine.facts.process_id


async def test_the_position_is_reported_as_it_changes(make: Make) -> None:
    answering = make(max_new_tokens=4, most_running=1)
    positions: dict[str, list[int]] = {"first": [], "second": [], "third": []}
    answers = {name: answering.ask(ask_in(name)) for name in positions}
    await asyncio.gather(*(run(answers[name], positions[name].append) for name in positions))
    assert positions == {"first": [0], "second": [1, 0], "third": [2, 1, 0]}
    assert metric(answering, "phi3_queue_wait_seconds_count") == 3
