"""What a real engine's answers are estimated to wait, and how that compares with what happens."""

from __future__ import annotations

import asyncio
import random

import pytest

from bot.answering.answer import Answer
from bot.answering.prefill_time import Prefill
from bot.engine.interface import GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import Make, ask_in, make_answering, metric, run
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import Memory

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run_until(answer: Answer, tokens: int) -> None:
    """Read an answer, and stop it after about so many tokens."""
    count = 0
    async for _ in answer.texts():
        count += 1
        if count == tokens:
            answer.stop()


async def test_who_waits_learns_how_long_and_the_metrics_what_became_of_it(make: Make) -> None:
    answering = make(most_running=1, max_new_tokens=20)
    for name in "abc":
        await run(answering.ask(ask_in(name)))
    assert metric(answering, "phi3_waiting_real_seconds_count") == 0
    first, second = answering.ask(ask_in("d")), answering.ask(ask_in("e"))
    assert first.seconds_to_start is None
    estimates: list[float | None] = []
    await asyncio.gather(run(first), run(second, lambda _: estimates.append(second.seconds_to_start)))
    assert estimates[0] is not None
    assert estimates[-1] is None
    assert metric(answering, "phi3_waiting_estimated_seconds_sum") == pytest.approx(estimates[0], abs=0.5)
    assert metric(answering, "phi3_waiting_real_seconds_count") == 1


async def test_nobody_estimates_how_long_a_pause_lasts(make: Make) -> None:
    answering = make(most_running=1, max_new_tokens=5)
    for name in "abc":
        await run(answering.ask(ask_in(name)))
    answering.queue.pause()
    waiting = answering.ask(ask_in("d"))
    assert waiting.seconds_to_start is None
    answering.queue.resume()
    await run(waiting)


@pytest.mark.long
async def test_half_of_the_estimates_are_right_within_a_half(make_endless: Make) -> None:
    """Two answers run at once; their lengths and the pauses between questions are random."""
    answering, draw = make_endless(most_running=2), random.Random(1)
    running: list[asyncio.Task[None]] = []
    for number in range(60):
        if answering.queue.waiting >= 6:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        answer = answering.ask(ask_in(str(number)))
        running = [each for each in running if not each.done()]
        running.append(asyncio.create_task(run_until(answer, int(draw.lognormvariate(5, 0.7)))))
        await asyncio.sleep(draw.expovariate(1))
    await asyncio.gather(*running)

    def up_to(ratio: str) -> float:
        return metric(answering, "phi3_waiting_estimate_ratio_bucket", le=ratio) or 0.0

    count = metric(answering, "phi3_waiting_estimate_ratio_count") or 0.0
    assert count > 20
    assert (up_to("1.5") - up_to("0.6666666666666666")) / count >= 0.5


async def test_the_first_prefill_tells_how_long_the_next_one_takes_and_both_times_are_measured(make: Make) -> None:
    answering = make(max_new_tokens=5)
    asked = "What is the capital of France? " * 40
    seen: list[Prefill] = []
    for text in (asked, asked, "And of Italy?"):
        async for _ in answering.ask(ask_in("prefill", text)).texts(on_prefill=seen.append):
            pass
    assert seen[0].seconds is None, "nothing was read before"
    assert seen[0].tokens > 250
    assert len(seen) == 1, "a small model reads in less than 5 s"
    assert metric(answering, "phi3_prefill_real_seconds_count") == 2
    estimated = metric(answering, "phi3_prefill_estimated_seconds_sum") or 0.0
    assert 0 < estimated < 10


async def test_a_prefill_is_announced_before_the_answer_and_never_in_it(chatml: PromptBuilder, memory: Memory) -> None:
    engine = ScriptedEngine(chatml.tokenizer.encode("It is Paris."))
    engine.unread = 3000
    answering = make_answering(engine, chatml, memory)
    events: list[str] = []
    answer = answering.ask(ask_in("a"))
    async for text in answer.texts(on_prefill=lambda prefill: events.append(f"{prefill.tokens}")):
        events.append(text)
        engine.generations[-1].on_prefill(3000)  # as after a crash
    assert events[0] == "3000"
    assert events.count("3000") == 1
    assert events[-1].startswith("It is Paris")


async def test_the_engine_says_how_much_of_a_prompt_no_cache_holds(engine: EngineSupervisor) -> None:
    unread: list[int] = []
    for _ in range(2):
        generation = engine.submit(GenerationRequest(tuple(range(700, 800)), frozenset(), 1))
        generation.on_prefill = unread.append
        async for _ids in generation:
            pass
    assert unread[0] == 100
    assert 1 <= unread[1] <= 36
