"""Questions answered by a real model in a real engine process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.answering import Answer, Answering, Question
from bot.core.conversation import Budget, Conversations
from bot.core.prompt import Message, PromptBuilder
from bot.core.served_model import ServedModel
from bot.core.waiting_line import LineClosedError, LineFullError, WaitingLine
from bot.engine.interface import EngineOptions, FinishReason, Sampling
from bot.engine.process import EngineProcess
from bot.model.folder import open_model_folder
from tests.phi3_tokenizer import write_phi3_tokenizer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYSTEM = "You are a helpful assistant."
COUNT = "Count from one to a hundred, one number a line."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_model_dir: Path) -> AsyncIterator[EngineProcess]:
    engine = EngineProcess(EngineOptions(engine="paged", model_dir=small_model_dir, cache_gigabytes=0.3))
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def chatml(small_model_dir: Path) -> PromptBuilder:
    return PromptBuilder.from_folder(small_model_dir, open_model_folder(small_model_dir).eos_token_ids)


def make_answering(
    engine: EngineProcess,
    chatml: PromptBuilder,
    *,
    context_length: int = 2048,
    max_new_tokens: int = 40,
    time_limit_seconds: float = 60.0,
    most_running: int = 8,
) -> Answering:
    budget = Budget(context_length, max_new_tokens)
    model = ServedModel(engine, chatml, budget, Sampling(), time_limit_seconds)
    line = WaitingLine(most_running=most_running, most_waiting=8, most_waiting_per_person=4)
    return Answering(model, Conversations(chatml, SYSTEM, budget), line)


def number(answering: Answering, name: str, **labels: str) -> float | None:
    return answering.numbers.registry.get_sample_value(name, labels)


async def run(answer: Answer, on_position: Callable[[int], None] = lambda _: None) -> list[str]:
    return [text async for text in answer.texts(on_position)]


def prompt_text(answering: Answering, conversation: str = "here") -> str:
    """What a next question would be asked after."""
    known = answering.conversations.get(conversation)
    return known.prompt(known.user_turn("NEXT")).text


async def test_an_answer_grows_and_is_remembered(engine: EngineProcess, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml)
    answer = answering.ask(Question("here", "What is the capital of France?", author="Ada"))
    texts = await run(answer)
    assert "Paris" in answer.text
    assert len(texts) > 3
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.STOP
    asked = (
        f"<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n{answer.text}<|im_end|>\n"
    )
    assert asked in prompt_text(answering)
    assert answering.throughput.tokens_per_second is not None


async def test_names_stand_before_the_text_once_two_people_talk(engine: EngineProcess, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=4)
    await run(answering.ask(Question("here", "Hello.", author="Ada")))
    await run(answering.ask(Question("here", "Hi.", author="Grace [admin]")))
    assert "<|im_start|>user\nHello.<|im_end|>" in prompt_text(answering)
    assert "(Until now Ada was speaking.)\n[Grace admin] Hi.<|im_end|>" in prompt_text(answering)


async def test_questions_in_one_conversation_are_answered_in_order(
    engine: EngineProcess, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=12)
    events: list[str] = []

    async def ask(name: str) -> None:
        async for _ in answering.ask(Question("here", f"Tell me about {name}.")).texts():
            events.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("rain", "snow", "wind"):
            group.create_task(ask(name))
    assert list(dict.fromkeys(events)) == ["rain", "snow", "wind"]
    assert events == sorted(events, key=["rain", "snow", "wind"].index)
    text = prompt_text(answering)
    assert text.index("rain") < text.index("snow") < text.index("wind")
    assert answering.line.idle


async def test_two_conversations_are_answered_at_once_and_know_nothing_of_each_other(
    engine: EngineProcess, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=30)
    both_active = asyncio.Event()

    async def ask(conversation: str) -> None:
        async for _ in answering.ask(Question(conversation, f"{COUNT} ({conversation})")).texts():
            if answering.line.running == 2:
                both_active.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(ask("first"))
        group.create_task(ask("second"))
    assert both_active.is_set()
    assert "(second)" not in prompt_text(answering, "first")
    assert "(first)" not in prompt_text(answering, "second")


async def test_stopping_keeps_and_remembers_what_was_generated(engine: EngineProcess, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=1000)
    answer = answering.ask(Question("here", COUNT))
    async for text in answer.texts():
        if len(text) > 20:
            answer.stop()
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.CANCELLED
    assert 20 < len(answer.text) < 1000
    assert f"assistant\n{answer.text}<|im_end|>" in prompt_text(answering)


async def test_a_reader_who_leaves_ends_the_answer(engine: EngineProcess, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=1000)
    answer = answering.ask(Question("here", COUNT))
    texts = answer.texts()
    async for text in texts:
        if len(text) > 10:
            break
    await texts.aclose()
    assert answering.line.idle
    assert f"assistant\n{answer.text}<|im_end|>" in prompt_text(answering)
    following = answering.ask(Question("here", "What is the capital of France?"))
    async with asyncio.timeout(20):
        await run(following)


async def test_an_answer_stopped_before_its_turn_is_never_generated(
    engine: EngineProcess, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml)
    answer = answering.ask(Question("here", COUNT))
    answer.stop()
    assert await run(answer) == []
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.CANCELLED
    assert "Count" not in prompt_text(answering)


async def test_a_question_too_long_is_told_with_numbers(engine: EngineProcess, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml, context_length=200, max_new_tokens=50)
    answer = answering.ask(Question("here", "word " * 1500))
    assert await run(answer) == []
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.FAILED
    assert answer.outcome.detail.startswith("That is 1,5")
    assert "I can read 150 at once" in answer.outcome.detail
    assert "word" not in prompt_text(answering)
    assert await run(answering.ask(Question("here", "Hello")))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_new_tokens": 5}, FinishReason.LENGTH),
        ({"max_new_tokens": 2000, "time_limit_seconds": 0.5}, FinishReason.TIMEOUT),
    ],
)
async def test_how_the_engine_ended_is_passed_on(
    engine: EngineProcess, chatml: PromptBuilder, limits: dict[str, float], reason: FinishReason
) -> None:
    answering = make_answering(engine, chatml, context_length=8192, **limits)  # type: ignore[arg-type]
    answer = answering.ask(Question("here", COUNT))
    await run(answer)
    assert answer.outcome is not None
    assert answer.outcome.reason is reason
    assert answer.text in prompt_text(answering)


async def test_an_engine_that_has_ended_cancels(small_model_dir: Path, chatml: PromptBuilder) -> None:
    closed = EngineProcess(EngineOptions(engine="paged", model_dir=small_model_dir))
    await closed.close()
    answer = make_answering(closed, chatml).ask(Question("here", COUNT))
    assert await run(answer) == []
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.CANCELLED


async def test_who_waits_is_told_the_place_as_it_changes(engine: EngineProcess, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=4, most_running=1)
    told: dict[str, list[int]] = {"first": [], "second": [], "third": []}
    answers = {name: answering.ask(Question(name, "Hello.", person=name)) for name in told}
    await asyncio.gather(*(run(answers[name], told[name].append) for name in told))
    assert told == {"first": [], "second": [1], "third": [2, 1]}
    assert number(answering, "phi3_queue_wait_seconds_count") == 3


async def test_an_answer_stopped_while_it_waits_leaves_its_place_to_others(
    engine: EngineProcess, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=4, most_running=1)
    running, stopped, behind = (answering.ask(Question(name, f"Hello {name}.", person=name)) for name in "abc")
    positions: list[int] = []

    def stop_the_one_before(position: int) -> None:
        positions.append(position)
        stopped.stop()

    async with asyncio.TaskGroup() as group:
        group.create_task(run(behind, stop_the_one_before))
        group.create_task(run(stopped))
        group.create_task(run(running))
    assert positions == [2, 1]
    assert behind.text
    assert stopped.outcome is not None
    assert stopped.outcome.reason is FinishReason.CANCELLED
    assert answering.conversations.find("b") is None
    assert number(answering, "phi3_answers_total", reason="cancelled") == 1


async def test_when_the_line_closes_who_runs_is_answered_and_who_waits_is_told(
    engine: EngineProcess, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=4, most_running=1)
    running, waiting = (answering.ask(Question(name, "Hello.", person=name)) for name in "ab")
    answering.line.close()
    assert await run(waiting) == []
    assert waiting.outcome is not None
    assert (waiting.outcome.reason, waiting.outcome.detail) == (FinishReason.FAILED, str(LineClosedError()))
    assert await run(running)
    with pytest.raises(LineClosedError):
        answering.ask(Question("a", "Hello again."))
    assert number(answering, "phi3_answers_refused_total", reason="being ended") == 1


async def test_too_many_questions_are_refused_and_the_others_answered(
    engine: EngineProcess, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=4, most_running=1)
    accepted = [answering.ask(Question("here", f"Hello {index}.", person="Ada")) for index in range(5)]
    with pytest.raises(LineFullError, match="You have 4 questions waiting"):
        answering.ask(Question("here", "One too many.", person="Ada"))
    accepted += [answering.ask(Question(index, "Hello.", person=index)) for index in range(4)]
    with pytest.raises(LineFullError, match="I have 8 questions waiting"):
        answering.ask(Question("here", "One too many.", person="Linus"))
    await asyncio.gather(*map(run, accepted))
    assert all(answer.text for answer in accepted)
    assert "too many" not in prompt_text(answering)
    assert number(answering, "phi3_answers_refused_total", reason="person's line full") == 1
    assert number(answering, "phi3_answers_refused_total", reason="line full") == 1
    assert number(answering, "phi3_time_to_first_token_seconds_count") == 9


async def test_an_answer_on_its_way_ends_with_the_model_that_began_it(
    engine: EngineProcess, chatml: PromptBuilder, tmp_path: Path
) -> None:
    answering = make_answering(engine, chatml, max_new_tokens=20)
    alone = make_answering(engine, chatml, max_new_tokens=20).ask(Question("here", COUNT))
    await run(alone)
    other = write_phi3_tokenizer(tmp_path).builder
    answer = answering.ask(Question("here", COUNT))
    async for _ in answer.texts():
        if answering.model.builder is chatml:
            answering.adopt(ServedModel(engine, other, Budget(2048, 20), Sampling(), 60.0))
    assert answer.text == alone.text
    conversation = answering.conversations.get("here")
    said = [Message("system", SYSTEM), Message("user", COUNT), Message("assistant", answer.text)]
    assert conversation.prompt(Message("user", "Go on.")) == other.build([*said, Message("user", "Go on.")])
    assert conversation.cached_by is None
