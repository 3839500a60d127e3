"""Answers that are stopped, taken back, suspended or refused, before their turn and after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.answering.answer import Answer
from bot.answering.queue import QueueClosedError, QueueFullError
from bot.conversation.conversations import Conversations
from bot.engine.interface import FinishReason, Outcome
from tests.answering.answers import (
    CAPITAL,
    COUNT,
    Make,
    accept,
    ask_in,
    channel,
    metric,
    opening,
    prompt_text,
    run,
    run_and_do,
    stored_outcome,
)
from tests.conversation.memory import HERE, Memory, ask, person

pytestmark = pytest.mark.asyncio(loop_scope="session")

REPLY = 7
"""The message that shows the answer."""


async def test_a_stopped_answer_is_kept_and_remembered(make_endless: Make, memory: Memory) -> None:
    answering = make_endless()
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    await run_and_do(answer, answer.stop)
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert 0 < len(answer.text) < 1000
    assert not answer.suspended
    for each in (answering, make_endless()):
        assert f"assistant\n{answer.text}<|im_end|>" in await prompt_text(each)
    assert await stored_outcome(memory, question) == answer.outcome


@pytest.mark.parametrize(
    "take_back",
    [
        pytest.param(lambda conversations, answer: answer.take_back(), id="at once"),
        pytest.param(lambda conversations, answer: conversations.erase([answer.question.id]), id="question erased"),
        pytest.param(lambda conversations, answer: conversations.erase([REPLY]), id="answer erased"),
        pytest.param(lambda conversations, answer: conversations.forget(person("Ada"), None), id="member forgotten"),
        pytest.param(
            lambda conversations, answer: conversations.erase_channels([HERE.channel_id]), id="channel erased"
        ),
    ],
)
async def test_an_answer_whose_question_is_gone_is_not_remembered(
    make_endless: Make, take_back: Callable[[Conversations, Answer], Awaitable[object] | None]
) -> None:
    answering = make_endless()
    answer = answering.ask(ask(COUNT))
    answering.conversations.replied(answer.question.id, REPLY)
    await run_and_do(answer, lambda: take_back(answering.conversations, answer))
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    for each in (answering, make_endless()):
        assert "Count" not in await prompt_text(each)
    assert answering.queue.idle


async def test_other_messages_do_not_end_an_answer(make_endless: Make) -> None:
    answering = make_endless(max_new_tokens=20)
    answer = answering.ask(ask(COUNT))
    await run_and_do(answer, lambda: answering.conversations.erase([5, answer.question.id + 1]))
    assert answer.outcome == Outcome(FinishReason.LENGTH)
    assert COUNT in await prompt_text(answering)


async def test_a_suspended_answer_is_not_remembered_and_has_no_outcome(make_endless: Make, memory: Memory) -> None:
    answering = make_endless()
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    await run_and_do(answer, answer.suspend)
    assert answer.suspended
    for each in (answering, make_endless()):
        assert "Count" not in await prompt_text(each)
    assert await stored_outcome(memory, question) is None


async def test_an_ended_answer_cannot_be_suspended(make: Make) -> None:
    answering = make(max_new_tokens=4)
    answer = answering.ask(ask(COUNT))
    await run(answer)
    answer.suspend()
    assert not answer.suspended
    assert "Count" in await prompt_text(answering)


@pytest.mark.parametrize("end", [Answer.stop, Answer.take_back, Answer.suspend])
@pytest.mark.parametrize("when", ["before its turn", "while its conversation opens"])
async def test_an_answer_ended_early_is_never_generated(
    make: Make, memory: Memory, end: Callable[[Answer], None], when: str
) -> None:
    answering = make()
    question = await accept(memory, ask(COUNT))
    answer = answering.ask(question)
    if when == "before its turn":
        end(answer)
        texts = await run(answer)
    else:
        running = asyncio.create_task(run(answer))
        await opening(answering)
        end(answer)
        texts = await running
    assert texts == []
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert answer.suspended == (end is Answer.suspend)
    assert "Count" not in await prompt_text(answering)
    assert await stored_outcome(memory, question) == (None if end is Answer.suspend else answer.outcome)
    assert metric(answering, "phi3_time_to_first_token_seconds_count") == 0
    assert answering.queue.idle


async def test_a_reader_who_leaves_ends_the_answer(make_endless: Make, make: Make) -> None:
    answering = make_endless()
    answer = answering.ask(ask(COUNT))
    texts = answer.texts()
    async for text in texts:
        if text.strip():
            break
    await texts.aclose()
    assert answering.queue.idle
    assert f"assistant\n{answer.text}<|im_end|>" in await prompt_text(answering)
    async with asyncio.timeout(60):
        await run(make(max_new_tokens=4).ask(ask(CAPITAL)))


async def test_an_answer_stopped_while_it_waits_gives_its_ticket_back(make: Make) -> None:
    answering = make(max_new_tokens=4, most_running=1)
    running, stopped, last = (answering.ask(ask_in(name)) for name in "abc")
    positions: list[int] = []

    def stop_the_one_before(position: int) -> None:
        positions.append(position)
        stopped.stop()

    async with asyncio.TaskGroup() as group:
        group.create_task(run(last, stop_the_one_before))
        group.create_task(run(stopped))
        group.create_task(run(running))
    assert positions == [2, 1, 0]
    assert last.text
    assert stopped.outcome == Outcome(FinishReason.CANCELLED)
    assert answering.conversations.find(channel("b")) is None
    assert metric(answering, "phi3_answers_total", reason="cancelled") == 1


async def test_a_closed_queue_finishes_running_answers_and_suspends_waiting_ones(make: Make, memory: Memory) -> None:
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
    assert metric(answering, "phi3_answers_refused_total", reason="being ended") == 1
    assert await stored_outcome(memory, running.question) == running.outcome
    assert await stored_outcome(memory, waiting.question) is None


async def test_too_many_questions_are_refused_and_the_others_answered(make: Make) -> None:
    answering = make(max_new_tokens=2, most_running=1)
    accepted = [answering.ask(ask(f"Hello {index}.")) for index in range(5)]
    with pytest.raises(QueueFullError, match="You already have 4 questions in the queue"):
        answering.ask(ask("One too many."))
    accepted += [answering.ask(ask_in(name)) for name in "abcd"]
    with pytest.raises(QueueFullError, match="My queue is full with 8 questions"):
        answering.ask(ask("One too many.", "Linus"))
    accepted += [answering.ask(ask(f"Before {index}."), accepted_before=True) for index in range(2)]
    await asyncio.gather(*map(run, accepted))
    assert all(answer.text for answer in accepted)
    text = await prompt_text(answering)
    assert "too many" not in text
    assert "Before 1." in text
    assert metric(answering, "phi3_answers_refused_total", reason="person's queue full") == 1
    assert metric(answering, "phi3_answers_refused_total", reason="queue full") == 1
    assert metric(answering, "phi3_time_to_first_token_seconds_count") == 11
