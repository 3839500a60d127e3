"""Questions answered by a real model in a real engine process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from bot.answering.answer import Answer, AnswerService, ShortenedQuestion
from bot.answering.queue import QuestionQueue, QueueClosedError, QueueFullError
from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Question, TextFile, Turn
from bot.engine.interface import EngineOptions, FinishReason, Outcome, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.model.folder import open_model_folder
from bot.prompting.prompt import Message, PromptBuilder
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import HERE, Memory, ask, asked, open_memory, person
from tests.phi3_tokenizer import write_phi3_tokenizer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYSTEM = "You are a helpful assistant."
REPLY = 7
COUNT = "Count from one to a hundred, one number a line."
CAPITAL = "What is the capital of France?"

Make = Callable[..., AnswerService]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(small_model_dir: Path) -> AsyncIterator[EngineSupervisor]:
    engine = EngineSupervisor(EngineOptions(engine="paged", model_dir=small_model_dir, cache_gigabytes=0.3))
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def chatml(small_model_dir: Path) -> PromptBuilder:
    return PromptBuilder.from_folder(small_model_dir, open_model_folder(small_model_dir).eos_token_ids)


@pytest_asyncio.fixture(loop_scope="module")
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def make(engine: EngineSupervisor, chatml: PromptBuilder, memory: Memory) -> Make:
    return partial(make_answering, engine, chatml, memory)


def make_answering(
    engine: EngineSupervisor,
    chatml: PromptBuilder,
    memory: Memory,
    *,
    context_length: int = 2048,
    max_new_tokens: int = 40,
    time_limit_seconds: float = 60.0,
    most_running: int = 8,
) -> AnswerService:
    budget = Budget(context_length, max_new_tokens)
    model = ServedModel(engine, chatml, budget, Sampling(), time_limit_seconds)
    queue = QuestionQueue(most_running=most_running, most_waiting=8, most_waiting_per_person=4)
    return AnswerService(model, memory.conversations(SYSTEM), queue)


def channel(name: str) -> ConversationKey:
    return ConversationKey(person(name))


def ask_in(name: str, text: str = "Hello.", by: str | None = None) -> Question:
    """A question in a channel of this name, by a person of this name where no other is given."""
    return ask(text, by or name, key=channel(name))


def number(answering: AnswerService, name: str, **labels: str) -> float | None:
    return answering.metrics.registry.get_sample_value(name, labels)


async def run(answer: Answer, on_position: Callable[[int], None] = lambda _: None) -> list[str]:
    return [text async for text in answer.texts(on_position)]


async def run_and_do(answer: Answer, do: Callable[[], Awaitable[object] | None]) -> None:
    """Read an answer, and do something once, as soon as some of it is there."""
    done = False
    async for text in answer.texts():
        if not done and len(text) > 20:
            done = True
            if (doing := do()) is not None:
                await doing
    assert done


async def prompt_text(answering: AnswerService, key: ConversationKey = HERE) -> str:
    """What a next question would be asked after."""
    opened = await answering.conversations.peek(key)
    return answering.model.window.fit(opened.system_prompt, opened.branch, asked("NEXT")).prompt.text


async def outcome_kept(memory: Memory, question: Question) -> Outcome | None:
    """How an accepted question ended, as a restart would find it."""
    (unfinished,) = [each for each in await works(memory).unfinished() if each.message_id == question.id]
    return unfinished.outcome


async def accept(memory: Memory, question: Question) -> Question:
    await works(memory).accept(question.id, question.key, question.asked.author_id)
    return question


def works(memory: Memory) -> DatabaseWorkStore:
    return DatabaseWorkStore(memory.journal)


def turn_of(answering: AnswerService, question: Question) -> Turn | None:
    conversation = answering.conversations.find(question.key)
    return None if conversation is None else conversation.turns.get(question.id)


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
    assert dialogue in await prompt_text(make()), "it is in the file too"
    assert await outcome_kept(memory, question) == answer.outcome
    assert answering.throughput.tokens_per_second is not None
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.answer is not None
    assert turn.answer.ids is not None
    assert answering.model.builder.tokenizer.decode(turn.answer.ids) == answer.text


async def test_names_stand_before_the_text_once_two_people_talk(make: Make) -> None:
    answering = make(max_new_tokens=4)
    await run(answering.ask(ask("Hello.", "Ada")))
    await run(answering.ask(ask("Hi.", "Grace [admin]")))
    text = await prompt_text(answering)
    assert "<|im_start|>user\nHello.<|im_end|>" in text
    assert "(Until now Ada was speaking.)\n[Grace admin] Hi.<|im_end|>" in text


async def test_questions_in_one_conversation_are_answered_in_order(make: Make) -> None:
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


async def test_two_conversations_are_answered_at_once_and_know_nothing_of_each_other(make: Make) -> None:
    answering = make(max_new_tokens=30)
    both_active = asyncio.Event()

    async def run_noting(name: str) -> None:
        async for _ in answering.ask(ask_in(name, f"{COUNT} ({name})")).texts():
            if answering.queue.running == 2:
                both_active.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(run_noting("first"))
        group.create_task(run_noting("second"))
    assert both_active.is_set()
    assert "(first)" in await prompt_text(answering, channel("first"))
    assert "(second)" not in await prompt_text(answering, channel("first"))
    assert "(first)" not in await prompt_text(answering, channel("second"))


async def test_stopping_keeps_and_remembers_what_was_generated(make: Make, memory: Memory) -> None:
    answering = make(max_new_tokens=1000)
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    await run_and_do(answer, answer.stop)
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert 20 < len(answer.text) < 1000
    assert not answer.suspended
    for each in (answering, make()):
        assert f"assistant\n{answer.text}<|im_end|>" in await prompt_text(each)
    assert await outcome_kept(memory, question) == answer.outcome


@pytest.mark.parametrize(
    "take_back",
    [
        pytest.param(lambda conversations, answer: answer.take_back(), id="at once"),
        pytest.param(lambda conversations, answer: conversations.erase([answer.question.id]), id="question erased"),
        pytest.param(lambda conversations, answer: conversations.erase([REPLY]), id="answer erased"),
        pytest.param(lambda conversations, answer: conversations.forget(person("Ada"), None), id="person forgotten"),
        pytest.param(lambda conversations, answer: conversations.erase_channel(HERE.channel_id), id="channel erased"),
    ],
)
async def test_an_answer_whose_question_is_gone_is_not_remembered(
    make: Make, take_back: Callable[[Conversations, Answer], Awaitable[object] | None]
) -> None:
    answering = make(max_new_tokens=1000)
    answer = answering.ask(ask(COUNT))
    answering.conversations.replied(answer.question.id, REPLY)
    await run_and_do(answer, lambda: take_back(answering.conversations, answer))
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    for each in (answering, make()):
        assert "Count" not in await prompt_text(each)
    assert answering.queue.idle


async def test_what_happens_to_others_messages_changes_no_answer(make: Make) -> None:
    answering = make(max_new_tokens=20)
    answer = answering.ask(ask(COUNT))
    await run_and_do(answer, lambda: answering.conversations.erase([5, answer.question.id + 1]))
    assert answer.outcome == Outcome(FinishReason.LENGTH)
    assert COUNT in await prompt_text(answering)


async def test_an_answer_broken_off_for_a_restart_is_not_remembered_and_has_no_outcome(
    make: Make, memory: Memory
) -> None:
    answering = make(max_new_tokens=1000)
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    await run_and_do(answer, answer.suspend)
    assert answer.suspended
    for each in (answering, make()):
        assert "Count" not in await prompt_text(each)
    assert await outcome_kept(memory, question) is None


async def test_an_answer_that_has_ended_is_not_broken_off_any_more(make: Make) -> None:
    answering = make(max_new_tokens=4)
    answer = answering.ask(ask(COUNT))
    await run(answer)
    answer.suspend()
    assert not answer.suspended
    assert "Count" in await prompt_text(answering)


@pytest.mark.parametrize("end", [Answer.stop, Answer.take_back, Answer.suspend])
async def test_an_answer_ended_before_its_turn_is_never_generated(
    make: Make, memory: Memory, end: Callable[[Answer], None]
) -> None:
    answering = make()
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    end(answer)
    assert await run(answer) == []
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert answer.suspended == (end is Answer.suspend)
    assert "Count" not in await prompt_text(answering)
    assert await outcome_kept(memory, question) == (None if end is Answer.suspend else answer.outcome)
    assert answering.queue.idle


@pytest.mark.parametrize("end", [Answer.stop, Answer.take_back, Answer.suspend])
async def test_an_answer_ended_while_its_past_is_read_is_never_generated(
    make: Make, memory: Memory, end: Callable[[Answer], None]
) -> None:
    answering = make()
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    running = asyncio.create_task(run(answer))
    while answering.conversations.find(HERE) is None:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    end(answer)
    assert await running == []
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert await outcome_kept(memory, question) == (None if end is Answer.suspend else answer.outcome)
    assert "Count" not in await prompt_text(answering)
    assert number(answering, "phi3_time_to_first_token_seconds_count") == 0


async def test_a_question_changed_before_it_begins_is_asked_as_it_is_then(make: Make) -> None:
    answering = make()
    question = ask(COUNT, files=[TextFile(1, "a.txt", "first")])
    answer = answering.ask(question)
    await answering.conversations.edit(question.id, CAPITAL, [])
    await run(answer)
    assert "Paris" in answer.text
    assert answer.question.asked == asked(CAPITAL)
    for each in (answering, make()):
        text = await prompt_text(each)
        assert f"<|im_start|>user\n{CAPITAL}<|im_end|>" in text
        assert "Count" not in text
        assert "first" not in text


async def test_a_question_changed_while_it_is_answered_is_remembered_as_it_is_then(make: Make) -> None:
    answering = make(max_new_tokens=60)
    question = ask(COUNT)
    unchanged = answering.ask(ask(COUNT, key=channel("another")))
    await run(unchanged)
    answer = answering.ask(question)
    await run_and_do(answer, lambda: answering.conversations.edit(question.id, "Count, please.", []))
    assert answer.text == unchanged.text, "the answer goes on"
    for each in (answering, make()):
        text = await prompt_text(each)
        assert f"user\nCount, please.<|im_end|>\n<|im_start|>assistant\n{answer.text}" in text
        assert COUNT not in text


async def test_a_reader_who_leaves_ends_the_answer(make: Make) -> None:
    answering = make(max_new_tokens=1000)
    answer = answering.ask(ask(COUNT))
    texts = answer.texts()
    async for text in texts:
        if len(text) > 10:
            break
    await texts.aclose()
    assert answering.queue.idle
    assert f"assistant\n{answer.text}<|im_end|>" in await prompt_text(answering)
    following = answering.ask(ask(CAPITAL))
    async with asyncio.timeout(20):
        await run(following)


async def test_a_question_too_long_is_shortened_and_says_so(make: Make, chatml: PromptBuilder) -> None:
    answering = make(context_length=200, max_new_tokens=50)
    text = "Tell me a story about rain. " * 200
    question = ask(text)
    answer = answering.ask(question)
    assert answer.shortened is None
    assert await run(answer)
    whole = chatml.build([Message("system", SYSTEM), Message("user", text)]).ids
    assert answer.shortened == ShortenedQuestion(tokens=len(whole), limit=150)
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.asked is not None
    assert text.startswith(turn.asked.text)
    assert 300 < len(turn.asked.text) < 600, "memory has what the model saw"
    following = answering.ask(ask("Hello"))
    assert await run(following)
    assert following.shortened is None


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_new_tokens": 5}, FinishReason.LENGTH),
        ({"max_new_tokens": 2000, "time_limit_seconds": 0.5}, FinishReason.TIMEOUT),
    ],
)
async def test_how_the_engine_ended_is_passed_on(make: Make, limits: dict[str, float], reason: FinishReason) -> None:
    answering = make(context_length=8192, **limits)
    answer = answering.ask(ask(COUNT))
    await run(answer)
    assert answer.outcome is not None
    assert answer.outcome.reason is reason
    assert answer.text in await prompt_text(answering)


async def test_an_engine_that_has_ended_cancels(small_model_dir: Path, chatml: PromptBuilder, memory: Memory) -> None:
    closed = EngineSupervisor(EngineOptions(engine="paged", model_dir=small_model_dir))
    await closed.close()
    answer = make_answering(closed, chatml, memory).ask(ask(COUNT))
    assert await run(answer) == []
    assert answer.outcome is not None
    assert answer.outcome.reason is FinishReason.CANCELLED


async def test_who_waits_is_told_the_place_as_it_changes(make: Make) -> None:
    answering = make(max_new_tokens=4, most_running=1)
    told: dict[str, list[int]] = {"first": [], "second": [], "third": []}
    answers = {name: answering.ask(ask_in(name)) for name in told}
    await asyncio.gather(*(run(answers[name], told[name].append) for name in told))
    assert told == {"first": [], "second": [1], "third": [2, 1]}
    assert number(answering, "phi3_queue_wait_seconds_count") == 3


async def test_an_answer_stopped_while_it_waits_leaves_its_place_to_others(make: Make) -> None:
    answering = make(max_new_tokens=4, most_running=1)
    running, stopped, behind = (answering.ask(ask_in(name)) for name in "abc")
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
    assert stopped.outcome == Outcome(FinishReason.CANCELLED)
    assert answering.conversations.find(channel("b")) is None
    assert number(answering, "phi3_answers_total", reason="cancelled") == 1


async def test_when_the_line_closes_who_runs_is_answered_and_who_waits_is_left_for_the_restart(
    make: Make, memory: Memory
) -> None:
    answering = make(max_new_tokens=4, most_running=1)
    running, waiting = [answering.ask(await accept(memory, ask_in(name))) for name in "ab"]
    answering.queue.close()
    assert await run(waiting) == []
    assert waiting.outcome == Outcome(FinishReason.FAILED, str(QueueClosedError()))
    assert waiting.suspended
    assert await run(running)
    assert not running.suspended
    with pytest.raises(QueueClosedError):
        answering.ask(ask_in("a"))
    assert number(answering, "phi3_answers_refused_total", reason="being ended") == 1
    assert await outcome_kept(memory, running.question) == running.outcome
    assert await outcome_kept(memory, waiting.question) is None


async def test_too_many_questions_are_refused_and_the_others_answered(make: Make) -> None:
    answering = make(max_new_tokens=4, most_running=1)
    accepted = [answering.ask(ask(f"Hello {index}.")) for index in range(5)]
    with pytest.raises(QueueFullError, match="You have 4 questions waiting"):
        answering.ask(ask("One too many."))
    accepted += [answering.ask(ask_in(name)) for name in "abcd"]
    with pytest.raises(QueueFullError, match="I have 8 questions waiting"):
        answering.ask(ask("One too many.", "Linus"))
    accepted += [answering.ask(ask(f"Before {index}."), accepted_before=True) for index in range(2)]
    await asyncio.gather(*map(run, accepted))
    assert all(answer.text for answer in accepted)
    text = await prompt_text(answering)
    assert "too many" not in text
    assert "Before 1." in text
    assert number(answering, "phi3_answers_refused_total", reason="person's queue full") == 1
    assert number(answering, "phi3_answers_refused_total", reason="queue full") == 1
    assert number(answering, "phi3_time_to_first_token_seconds_count") == 11


async def test_an_answer_on_its_way_ends_with_the_model_that_began_it(
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
    conversation = answering.conversations.find(HERE)
    assert conversation is not None
    assert conversation.cached_by is None


async def test_what_was_just_said_is_in_the_engines_cache(make: Make, engine: EngineSupervisor) -> None:
    answering = make(max_new_tokens=4)
    await run(answering.ask(ask("Hello.")))
    conversation = answering.conversations.find(HERE)
    assert conversation is not None
    assert engine.facts is not None
    assert conversation.cached_by == engine.facts.process_id
