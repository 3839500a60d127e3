"""Short ways to ask, to read an answer, and to see what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.answering.answer import Answer
from bot.answering.queue import QuestionQueue
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.budget import Budget
from bot.conversation.turn import ConversationKey, Question, Turn
from bot.engine.interface import Engine, Outcome, Sampling
from bot.metrics.prometheus import PrometheusMetrics
from bot.prompting.prompt import PromptBuilder
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import HERE, Memory, ask, asked, person

Make = Callable[..., AnswerService]

SYSTEM = "You are a helpful assistant."
COUNT = "Count from one to a hundred, one number a line."
CAPITAL = "What is the capital of France?"


def queue_of(most_running: int, most_waiting: int = 200, per_person: int = 200) -> QuestionQueue:
    return QuestionQueue(most_running=most_running, most_waiting=most_waiting, most_waiting_per_person=per_person)


def make_answering(
    engine: Engine,
    builder: PromptBuilder,
    memory: Memory,
    *,
    context_length: int = 2048,
    max_new_tokens: int = 40,
    time_limit_seconds: float = 60.0,
    most_running: int = 8,
) -> AnswerService:
    """A service with nothing in memory yet."""
    budget = Budget(context_length, max_new_tokens)
    model = ServedModel(engine, builder, budget, Sampling(), time_limit_seconds)
    queue = queue_of(most_running, most_waiting=8, per_person=4)
    return AnswerService(model, memory.conversations(SYSTEM), queue, PrometheusMetrics())


def channel(name: str) -> ConversationKey:
    return ConversationKey(person(name))


def ask_in(name: str, text: str = "Hello.", by: str | None = None) -> Question:
    """A question in a channel of this name, by a member of the same name unless another is given."""
    return ask(text, by or name, key=channel(name))


def metric(answering: AnswerService, name: str, **labels: str) -> float | None:
    assert isinstance(answering.metrics, PrometheusMetrics)
    return answering.metrics.registry.get_sample_value(name, labels)


async def run(answer: Answer, on_position: Callable[[int], None] = lambda _: None) -> list[str]:
    """Read an answer to its end."""
    return [text async for text in answer.texts(on_position)]


async def run_and_do(answer: Answer, do: Callable[[], Awaitable[object] | None]) -> None:
    """Read an answer, and do something once, as soon as some of it is there."""
    done = False
    async for text in answer.texts():
        if not done and text.strip():
            done = True
            if (doing := do()) is not None:
                await doing
    assert done


async def prompt_text(answering: AnswerService, key: ConversationKey = HERE) -> str:
    """The prompt of a next question."""
    opened = await answering.conversations.peek(key)
    return answering.model.window.fit(opened.system_prompt, opened.branch, asked("NEXT")).prompt.text


def turn_of(answering: AnswerService, question: Question) -> Turn | None:
    """The turn that memory keeps of a question."""
    conversation = answering.conversations.find(question.key)
    return None if conversation is None else conversation.turns.get(question.id)


def work_of(memory: Memory) -> DatabaseWorkStore:
    return DatabaseWorkStore(memory.journal)


async def accept(memory: Memory, question: Question) -> Question:
    await work_of(memory).accept(question.id, question.key, question.asked.author_id)
    return question


async def stored_outcome(memory: Memory, question: Question) -> Outcome | None:
    """How an accepted question ended, as a restart would find it."""
    (unfinished,) = [each for each in await work_of(memory).unfinished() if each.message_id == question.id]
    return unfinished.outcome


async def opening(answering: AnswerService, key: ConversationKey = HERE) -> None:
    """Wait until a conversation is being opened."""
    async with asyncio.timeout(10):
        while answering.conversations.find(key) is None:  # noqa: ASYNC110 - opening has no event
            await asyncio.sleep(0)
