"""Who may stop an answer, and what a button does without a running answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
import pytest_asyncio

from bot.answering.answer import Answer
from bot.answering.queue import QuestionQueue
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.budget import Budget
from bot.discord_client.replies.running_replies import RunningReply
from bot.discord_client.replies.stop_button import StopButtons
from bot.engine.interface import EngineOptions, FinishReason, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from tests.conversation.memory import ask, open_memory
from tests.discord_client.stage import Stage
from tests.phi3_tokenizer import write_phi3_tokenizer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def answer(tmp_path: Path) -> AsyncIterator[Answer]:
    """An answer that waits in the queue; stopping it needs no engine."""
    builder = write_phi3_tokenizer(tmp_path).builder
    budget = Budget(4096, 100)
    engine = EngineSupervisor(EngineOptions(engine="paged", model_dir=tmp_path))
    model = ServedModel(engine, builder, budget, Sampling(), time_limit_seconds=10.0)
    queue = QuestionQueue(most_running=1, most_waiting=1, most_waiting_per_person=1)
    queue.pause()
    async with open_memory(tmp_path) as memory:
        yield AnswerService(model, memory.conversations(), queue).ask(ask("Hello"))


async def was_stopped(answer: Answer) -> bool:
    """Whether the answer ends without being generated."""
    try:
        async with asyncio.timeout(0.5):
            assert [text async for text in answer.texts()] == []
    except TimeoutError:
        return False
    return answer.outcome is not None and answer.outcome.reason is FinishReason.CANCELLED


async def with_button(stage: Stage) -> tuple[discord.Message, int]:
    """Grace's question, and the id of a reply to it with a Stop button."""
    question = await stage.say("Hello", by="Grace")
    reply = await question.reply("Hi", view=StopButtons(question.id).view())
    return question, reply.id


async def click(stage: Stage, name: str, question: discord.Message, reply_id: int) -> int:
    """Click as a member; return how many interactions the bot has responded to."""
    before = responses(stage)
    await stage.server.click(stage.person(name), stage.channel, reply_id, f"stop:{question.id}")
    await stage.server.wait_for(lambda: responses(stage) > before, what="a response to the click")
    return responses(stage)


def responses(stage: Stage) -> int:
    return sum("/interactions/" in call.path and call.status < 300 for call in stage.server.calls)


def private_lines(stage: Stage, name: str) -> list[str]:
    messages = stage.server.messages(stage.person(name), stage.channel)
    return [message["content"] for message in messages if message["flags"] & 64]


@pytest.mark.parametrize("name", ["Grace", "Ada"])
async def test_the_asker_and_a_moderator_may_stop(stage: Stage, answer: Answer, name: str) -> None:
    question, reply_id = await with_button(stage)
    with stage.client.running_replies.running(question.id, RunningReply(answer, stage.person("Grace"))):
        await click(stage, name, question, reply_id)
    assert await was_stopped(answer)
    assert private_lines(stage, name) == []


async def test_another_member_gets_a_private_refusal(stage: Stage, answer: Answer) -> None:
    question, reply_id = await with_button(stage)
    with stage.client.running_replies.running(question.id, RunningReply(answer, stage.person("Grace"))):
        await click(stage, "Linus", question, reply_id)
        assert private_lines(stage, "Linus") == ["Only the member who asked or a moderator can stop this answer."]
        assert private_lines(stage, "Grace") == []
        assert stage.replies()[0]["components"]
    assert not answer._stopped


async def test_a_button_from_before_a_restart_disappears(stage: Stage) -> None:
    question, reply_id = await with_button(stage)
    await click(stage, "Linus", question, reply_id)
    assert stage.replies()[0]["components"] == []
    assert stage.texts() == ["Hi"]


async def test_closing_suspends_every_answer_and_waits_for_its_reply(stage: Stage, answer: Answer) -> None:
    replies = stage.client.running_replies
    delivered = False

    async def deliver() -> None:
        nonlocal delivered
        with replies.running(1, RunningReply(answer, 1)):
            began.set()
            await going_down.wait()
            assert await was_stopped(answer)
            delivered = True

    began, going_down = asyncio.Event(), asyncio.Event()
    delivering = asyncio.create_task(deliver())
    await began.wait()
    await replies.suspend_all(0.01)  # returns at the limit
    assert not delivered
    going_down.set()
    await replies.suspend_all(5)
    assert delivered
    assert replies.get(1) is None
    await delivering
