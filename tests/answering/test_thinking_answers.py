"""Answers of a thinking model: how they grow, end and are remembered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.answering.answer import Answer
from bot.answering.service import AnswerService
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import accept, make_answering, prompt_text, run, stored_outcome, turn_of
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import HERE, Memory, ask
from tests.thinking_models import ids_of, thinking_builder, thinking_template

pytestmark = pytest.mark.asyncio(loop_scope="session")

THOUGHT = "\nThey ask for a capital.\n"
ANSWER = "It is Paris."
Script = Callable[..., list[int]]


@pytest.fixture(scope="module", params=[False, True], ids=["begun by the answer", "begun by the prompt"])
def builder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PromptBuilder:
    template = thinking_template(begun_by_prompt=request.param)
    return thinking_builder(tmp_path_factory.mktemp("thinking"), template, ("<think>", "</think>"))


@pytest.fixture
def script(builder: PromptBuilder) -> Script:
    def script(thought: str, answer: str = "") -> list[int]:
        begun = "" if builder.thinking.begun_by_prompt else "<think>"
        return ids_of(builder, begun + thought + (f"</think>\n\n{answer}" if answer else ""))

    return script


def service(
    builder: PromptBuilder, memory: Memory, engine: ScriptedEngine, max_new_tokens: int = 1000
) -> AnswerService:
    return make_answering(engine, builder, memory, context_length=4096, max_new_tokens=max_new_tokens)


async def test_a_thought_is_neither_shown_nor_remembered(
    builder: PromptBuilder, memory: Memory, script: Script
) -> None:
    answering = service(builder, memory, ScriptedEngine(script(THOUGHT, ANSWER)))
    question = await accept(memory, ask("Hello?"))
    answer = answering.ask(question)
    texts = await run(answer)
    assert answer.text.strip() == ANSWER
    assert answer.thought.split() == THOUGHT.split()
    assert not answer.is_thinking
    assert texts[0] == ""
    assert not any("ask" in text or "think" in text for text in texts)
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert (turn.answer.content, turn.answer.ids) == (answer.text, None)
    for each in (answering, service(builder, memory, ScriptedEngine([]))):
        assert f"<|assistant|>\n{answer.text}<|end|>\n" in await prompt_text(each)
        assert "capital" not in await prompt_text(each)


async def test_the_answer_is_prefilled_once_the_thought_is_gone(
    builder: PromptBuilder, memory: Memory, script: Script
) -> None:
    engine = ScriptedEngine(script(THOUGHT, ANSWER), ids_of(builder, ANSWER))
    answering = service(builder, memory, engine)
    await run(answering.ask(ask("Hello?")))
    conversation = answering.conversations.find(HERE)
    assert conversation is not None
    assert conversation.cached_by is None, "the cache has the thought between question and answer"
    await run(answering.ask(ask("And?")))
    first, second = (request.prompt_ids for request in engine.requests)
    [until] = [token.id for token in builder.tokenizer.control_tokens if token.text == "<|assistant|>"]
    question = first[: first.index(until) + 1]
    assert second[: len(question)] == question, "what is before the thought is read only once"


@pytest.mark.parametrize("end", [Answer.stop, Answer.suspend, Answer.take_back])
async def test_an_answer_that_is_ended_in_its_thought_has_no_text(
    builder: PromptBuilder, memory: Memory, script: Script, end: Callable[[Answer], None]
) -> None:
    engine = ScriptedEngine(script(100 * THOUGHT, ANSWER))
    answering = service(builder, memory, engine)
    answer = answering.ask(ask("Hello?"))
    async for text in answer.texts():
        assert text == ""
        if len(answer.thought) > 40:
            end(answer)
    assert answer.text == ""
    assert answer.is_thinking
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert "Hello?" not in await prompt_text(answering)


async def test_an_answer_that_reaches_its_limit_in_its_thought_has_no_text(
    builder: PromptBuilder, memory: Memory, script: Script
) -> None:
    answering = service(builder, memory, ScriptedEngine(script(THOUGHT, ANSWER)), max_new_tokens=8)
    question = await accept(memory, ask("Hello?"))
    answer = answering.ask(question)
    assert set(await run(answer)) == {""}
    assert answer.is_thinking
    assert answer.outcome == Outcome(FinishReason.LENGTH)
    assert await stored_outcome(memory, question) == Outcome(FinishReason.LENGTH)
    assert turn_of(answering, question) is None


async def test_a_thought_in_circles_ends_the_answer(builder: PromptBuilder, memory: Memory, script: Script) -> None:
    answering = service(builder, memory, ScriptedEngine(script("Wait. " * 500)))
    answer = answering.ask(ask("Hello?"))
    assert set(await run(answer)) == {""}
    assert answer.is_thinking
    assert answer.outcome == Outcome(FinishReason.REPEATED)
    assert len(answer.thought) < 30


async def test_an_answer_in_circles_is_cut_for_readers_and_memory(
    builder: PromptBuilder, memory: Memory, script: Script
) -> None:
    answering = service(builder, memory, ScriptedEngine(script(THOUGHT, ANSWER + " Again and again." * 100)))
    question = await accept(memory, ask("Hello?"))
    answer = answering.ask(question)
    texts = await run(answer)
    assert answer.outcome == Outcome(FinishReason.REPEATED)
    assert 1 <= answer.text.count("Again and again.") <= 2
    assert texts[-1].startswith(answer.text)
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert turn.answer.content == answer.text
    assert await stored_outcome(memory, question) == answer.outcome


async def test_without_a_thought_the_ids_of_a_cut_answer_are_kept(tmp_path: Path, memory: Memory) -> None:
    builder = thinking_builder(tmp_path, thinking_template())
    answering = service(builder, memory, ScriptedEngine(ids_of(builder, "Well." + " Again and again." * 100)))
    question = ask("Hello?")
    answer = answering.ask(question)
    await run(answer)
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert turn.answer.ids is not None
    assert builder.tokenizer.decode(turn.answer.ids) == answer.text
    assert answer.text.startswith("Well. Again and again.")
    assert len(answer.text) < 60
