"""Every answer that ends has one line, and its question's id leads through all that happened, in both processes."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
import pytest_asyncio

from bot.demo.loopback import LoopbackDiscord
from tests.cli.test_log import log_at
from tests.end_to_end.asking import ask, ask_about
from tests.end_to_end.commands import press
from tests.end_to_end.log_lines import answered, lines_about, outcomes
from tests.end_to_end.stage import Stage, online, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKENS = 12
WAY = ["Question taken in", "Prompt built", "Engine takes a request", "Prefill begins", "Generated", "First text shown"]


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    with log_at("INFO", "json") as written:
        yield written


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path, log: io.StringIO) -> AsyncIterator[Stage]:
    async with online(tiny_chat_model_dir, max_new_tokens=TOKENS) as stage:
        yield stage


async def reported(log: io.StringIO, question: int, times: int = 1) -> list[str]:
    """Wait for the lines of an answer's ends, and return its outcomes."""
    await until(lambda: len(answered(log, question)) >= times)
    return outcomes(log, question)


async def test_a_mentions_id_leads_from_its_arrival_to_the_last_edit(stage: Stage, log: io.StringIO) -> None:
    channel = await stage.fresh_channel("whole way")
    question = await stage.mention(stage.grace, channel, "What is the capital of France?")
    await stage.answer(stage.grace, channel, question)
    events = [line["event"] for line in lines_about(log, question)]
    assert sorted(events[:-2]) == sorted(WAY)
    assert events[0] == WAY[0]
    assert events[-2:] == ["Delivered", "Answered"]
    [engine] = {line["logger"] for line in lines_about(log, question) if line["event"] == "Engine takes a request"}
    assert engine == "bot.engine.worker.main"


async def test_the_line_says_what_the_answer_took(stage: Stage, log: io.StringIO) -> None:
    channel = await stage.fresh_channel("figures")
    texts = "Why is the sky above us so blue today?", "And why is it red tonight?"  # no other test asks that
    first, second = [await stage.mention(stage.grace, channel, text) for text in texts]
    await stage.answer(stage.grace, channel, second)
    [one], [other] = answered(log, first), answered(log, second)
    assert list(one)[4:] == [
        *("message_id", "outcome", "waited_seconds", "read_tokens", "cached_tokens", "drafted_tokens"),
        *("accepted_tokens", "generated_tokens", "prefill_seconds", "generating_seconds", "sending_seconds"),
        *("first_text_seconds", "tokens_per_second", "messages"),
    ]
    assert (one["outcome"], one["generated_tokens"], one["messages"]) == ("length", TOKENS, 1)
    assert one["read_tokens"] > 10
    assert other["cached_tokens"] > one["read_tokens"] + TOKENS - 5, "the first turn is in the cache"
    assert other["waited_seconds"] > one["waited_seconds"]
    parts = sum(other[name] for name in ("waited_seconds", "prefill_seconds", "generating_seconds", "sending_seconds"))
    assert 0 < other["first_text_seconds"] <= parts + 0.03
    assert one["tokens_per_second"] == pytest.approx((TOKENS - 1) / one["generating_seconds"], rel=0.5)


async def test_questions_by_command_and_by_menu(stage: Stage, log: io.StringIO) -> None:
    channel = await stage.fresh_channel("commands")
    asked, response = await ask(stage, stage.grace, channel, question="Who am I?")
    by_menu, _ = await ask_about(stage, stage.grace, channel, int(response["id"]), question="Why?")
    for question, source in ((asked, "ask"), (by_menu, "menu")):
        assert await reported(log, question) == ["length"]
        [taken] = [line for line in lines_about(log, question) if line["event"] == "Question taken in"]
        assert taken["source"] == source


async def test_other_versions_and_the_rest_of_an_answer(stage: Stage, log: io.StringIO) -> None:
    channel = await stage.fresh_channel("buttons")
    question = await stage.mention(stage.grace, channel, "Who am I?")
    [message] = await stage.answer(stage.grace, channel, question)
    for times, label in ((2, "Regenerate"), (3, "Continue")):
        await press(stage, stage.grace, channel, message, label)
        await reported(log, question, times)
        await until(lambda: stage.bot.application.answering.queue.idle)
        message = stage.replies(stage.grace, channel, question)[-1]
    taken = [line["source"] for line in lines_about(log, question) if line["event"] == "Question taken in"]
    assert taken[:2] == ["message", "regenerate"]
    assert len(outcomes(log, question)) == len(taken), "one for each, whichever buttons the second version has"


async def test_an_answer_that_is_stopped(stage: Stage, log: io.StringIO) -> None:
    stage.bot.application.answering.queue.pause()
    channel = await stage.fresh_channel("stopped")
    question = await stage.mention(stage.grace, channel, "Who am I?")
    await stage.stop(stage.grace, channel, question)
    stage.bot.application.answering.queue.resume()
    [line] = answered(log, question)
    assert line["outcome"] == "cancelled"
    assert line["waited_seconds"] > 0
    assert "read_tokens" not in line, "the engine never got it"
    assert "generated_tokens" not in line


async def test_an_answer_whose_question_is_deleted(stage: Stage, log: io.StringIO) -> None:
    stage.bot.application.answering.queue.pause()
    channel = await stage.fresh_channel("deleted")
    question = await stage.mention(stage.grace, channel, "Who am I?")
    await stage.streaming(stage.grace, channel, question)
    await stage.discord.delete(stage.grace.id, channel, question)
    assert await reported(log, question) == ["taken_back"]
    stage.bot.application.answering.queue.resume()


async def test_an_answer_that_discord_refuses(stage: Stage, log: io.StringIO) -> None:
    channel = stage.discord.add_channel("read only").id
    stage.discord.set_permissions(stage.discord.bot.id, channel, deny=["send_messages"])
    question = await stage.mention(stage.grace, channel, "Who am I?")
    assert await reported(log, question) == ["refused"]


async def test_an_answer_that_takes_too_long_and_one_that_fails(stage: Stage, log: io.StringIO) -> None:
    answering = stage.bot.application.answering
    model = answering.model
    channel = await stage.fresh_channel("failing")
    answering.adopt(replace(model, time_limit_seconds=0.0))
    late = await stage.mention(stage.grace, channel, "Who am I?")
    assert await reported(log, late) == ["timeout"]
    answering.adopt(model)
    with patch.object(type(model.window), "fit", side_effect=ValueError("as the test says")):
        failing = await stage.mention(stage.grace, channel, "Who am I?")
        assert await reported(log, failing) == ["failed"]


async def test_an_answer_during_which_the_engine_crashes(stage: Stage, log: io.StringIO) -> None:
    facts = stage.bot.application.serving.facts
    assert facts is not None
    engine = psutil.Process(facts.process_id)
    engine.suspend()
    channel = await stage.fresh_channel("crashing")
    question = await stage.mention(stage.grace, channel, "Who am I?")
    await until(lambda: "Prompt built" in [line["event"] for line in lines_about(log, question)])
    engine.kill()
    assert await reported(log, question) == ["length"]
    events = [line["event"] for line in lines_about(log, question)]
    assert events.count("Request resumes after the crash") == 1
    assert "Engine takes a request" in events


async def test_after_a_restart_each_end_has_its_line(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        grace, settings = discord.people[1], {"data_dir": tmp_path, "max_new_tokens": TOKENS}
        with log_at("INFO", "json") as log:
            async with online(tiny_chat_model_dir, discord, **settings) as stage:
                channel = await stage.fresh_channel("restart")
                shown = await stage.mention(grace, channel, "Who am I?")
                await stage.answer(grace, channel, shown)
                stage.bot.application.answering.queue.pause()
                waiting = await stage.mention(grace, await stage.fresh_channel("waiting"), "Who am I?")
                running = stage.bot.application.client.running_replies
                await until(lambda: running.get(waiting) is not None)
            assert outcomes(log, waiting) == ["suspended"]
            with closing(sqlite3.connect(tmp_path / "conversations.sqlite3")) as file:
                # As after a crash before the last edit.
                row = (shown, channel, grace.id, "answer", "stop", "", "Paris, as everybody knows")
                columns = "message_id, channel_id, author_id, task, outcome, detail, answer"
                file.execute(f"INSERT INTO accepted_questions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                file.commit()
        with log_at("INFO", "json") as log:
            async with online(tiny_chat_model_dir, discord, **settings):
                assert await reported(log, waiting) == ["length"]
                assert await reported(log, shown) == ["stop"]
            taken = [line for line in lines_about(log, waiting) if line["event"] == "Question taken in"]
            assert [line["source"] for line in taken] == ["recovery"]
            [line] = answered(log, shown)
            assert line["messages"] == 1
            assert "generated_tokens" not in line, "the process that generated it is gone"
