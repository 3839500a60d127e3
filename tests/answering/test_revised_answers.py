"""An answer is generated once more, or goes on, and memory holds the version that is shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.answering.answer import Answer
from bot.answering.revised_answer import RevisedAnswer, sampling_for
from bot.answering.service import AnswerService
from bot.conversation.turn import Question, Task
from bot.engine.interface import FinishReason, Outcome, Sampling
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import CAPITAL, Make, accept, make_answering, prompt_text, run, run_and_do, turn_of
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import HERE, Memory, ask, person

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORY = "Write a short story about a fox."


async def answered(answering: AnswerService, memory: Memory, text: str = STORY) -> tuple[Question, Answer]:
    question = await accept(memory, ask(text))
    answer = answering.ask(question)
    await run(answer)
    return question, answer


def revise(answering: AnswerService, question: Question, task: Task) -> RevisedAnswer:
    answer = answering.ask(replace(question, task=task))
    assert isinstance(answer, RevisedAnswer)
    return answer


async def settled(memory: Memory) -> None:
    async with asyncio.timeout(10):
        while memory.store.behind:  # noqa: ASYNC110 - the end of an outage has no event
            await asyncio.sleep(0.01)


async def versions(answering: AnswerService, question: Question) -> list[str]:
    return [version.answer.content for version in await answering.conversations.versions.of(question.id)]


async def test_another_version_differs_at_temperature_zero_and_is_remembered(make: Make, memory: Memory) -> None:
    answering = make()
    await answered(answering, memory, CAPITAL)
    question, first = await answered(answering, memory)
    second = revise(answering, question, Task.REGENERATE)
    await run(second)
    assert second.outcome is not None
    assert second.text.strip() not in ("", first.text.strip())
    assert await versions(answering, question) == [first.text, second.text]
    assert (second.version and second.version.number, second.versions) == (2, 2)
    for bot in (answering, make()):
        prompt = await prompt_text(bot)
        assert second.text in prompt, "as after a restart"
        assert first.text not in prompt
        assert prompt.count(STORY) == 1
        assert CAPITAL in prompt

    shown = await answering.conversations.versions.show(question.id, 1)
    assert shown is not None
    for bot in (answering, make()):
        prompt = await prompt_text(bot)
        assert first.text in prompt
        assert second.text not in prompt


async def test_a_version_is_the_same_again_after_a_restart(make: Make, memory: Memory) -> None:
    answering = make()
    question, _ = await answered(answering, memory)
    broken_off = revise(answering, question, Task.REGENERATE)
    await run_and_do(broken_off, broken_off.suspend)
    assert broken_off.version is None
    assert len(await versions(answering, question)) == 1
    again, other = (revise(make(), question, Task.REGENERATE) for _ in range(2))
    await run(again)
    assert again.text.startswith(broken_off.text)
    await run(other)
    assert other.text != again.text, "it is the third"


async def test_an_answer_goes_on_where_the_longest_length_ended_it(make: Make, memory: Memory) -> None:
    answering = make(max_new_tokens=30)
    question, cut = await answered(answering, memory)
    assert cut.outcome == Outcome(FinishReason.LENGTH)
    begun = turn_of(answering, question)
    more = revise(answering, question, Task.CONTINUE)
    texts = await run(more)
    assert texts[0].startswith(cut.text)
    longer = turn_of(answering, question)
    assert begun is not None
    assert longer is not None
    assert begun.answer is not None
    assert longer.answer is not None
    assert begun.answer.ids is not None
    assert longer.answer.ids is not None
    # The tokens that follow may be others than in one go: the weights are quantized.
    assert (len(longer.answer.ids), longer.answer.ids[:30]) == (60, begun.answer.ids)
    assert longer.version == 1
    assert await versions(answering, question) == [more.text]
    assert more.text in await prompt_text(make())


async def test_what_has_no_room_to_go_on_stays(chatml: PromptBuilder, memory: Memory) -> None:
    engine = ScriptedEngine(chatml.tokenizer.encode("word " * 400))
    answering = make_answering(engine, chatml, memory, max_new_tokens=20, context_length=110)
    question, first = await answered(answering, memory)
    while (more := revise(answering, question, Task.CONTINUE)) and await run(more):
        pass
    assert more.outcome is not None
    assert more.outcome.reason is FinishReason.NO_ROOM
    assert "no room left" in more.outcome.note
    [longest] = await versions(answering, question)
    assert longest.startswith(first.text)


async def test_a_failing_engine_leaves_the_version_that_was_there(chatml: PromptBuilder, memory: Memory) -> None:
    engine = ScriptedEngine(chatml.tokenizer.encode("One."), chatml.tokenizer.encode("Two, and more."))
    answering = make_answering(engine, chatml, memory)
    question, first = await answered(answering, memory)
    for task in (Task.REGENERATE, Task.CONTINUE):
        again = revise(answering, question, task)
        engine.fails_after = 1
        assert await run(again)
        assert again.outcome is not None
        assert again.outcome.reason is FinishReason.FAILED
        assert again.version is None
    assert await versions(answering, question) == [first.text]
    assert first.text in await prompt_text(answering)


async def test_a_new_version_answers_the_text_as_it_is_edited_meanwhile(chatml: PromptBuilder, memory: Memory) -> None:
    engine = ScriptedEngine(*(chatml.tokenizer.encode(f"{text}, and more.") for text in ("One", "Two", "Three")))
    answering = make_answering(engine, chatml, memory)
    question, _ = await answered(answering, memory)
    again = revise(answering, question, Task.REGENERATE)
    await run_and_do(again, lambda: answering.conversations.edit(question.id, "Edited", []))
    assert again.text == "Three, and more."
    assert "Edited" in chatml.tokenizer.decode(engine.requests[-1].prompt_ids)
    assert await versions(answering, question) == ["One, and more.", "Three, and more."]
    assert not again.is_outdated


async def test_an_edited_question_is_answered_as_the_settings_say(chatml: PromptBuilder, memory: Memory) -> None:
    engine = ScriptedEngine(*(chatml.tokenizer.encode(f"{text}, and more.") for text in ("One", "Two", "Three")))
    answering = make_answering(engine, chatml, memory)
    question, _ = await answered(answering, memory)
    await answering.conversations.edit(question.id, "Edited", [])
    for task in (Task.ANSWER_AGAIN, Task.REGENERATE):
        await run(revise(answering, question, task))
    first, again, another = engine.requests
    assert "Edited" in chatml.tokenizer.decode(again.prompt_ids)
    assert again.sampling == first.sampling != another.sampling
    assert len(await versions(answering, question)) == 3


async def test_an_edit_makes_an_answer_outdated(chatml: PromptBuilder, memory: Memory) -> None:
    answering = make_answering(ScriptedEngine(chatml.tokenizer.encode("One, and more.")), chatml, memory)
    question = await accept(memory, ask(STORY))
    answer = answering.ask(question)
    await run_and_do(answer, lambda: answering.conversations.edit(question.id, "Edited", []))
    assert answer.is_outdated
    other = answering.ask(await accept(memory, ask(STORY)))
    await run(other)
    assert not other.is_outdated


async def test_what_is_forgotten_meanwhile_gets_no_version(chatml: PromptBuilder, memory: Memory) -> None:
    engine = ScriptedEngine(chatml.tokenizer.encode("One, and more."))
    answering = make_answering(engine, chatml, memory)
    for task in (Task.REGENERATE, Task.CONTINUE):
        question, _ = await answered(answering, memory)
        again = revise(answering, question, task)
        await run_and_do(again, lambda: answering.conversations.forget(person("Ada"), None))
        assert again.version is None
        assert await versions(answering, question) == []
        too_late = revise(answering, question, task)
        assert await run(too_late) == []
        assert too_late.version is None
    assert "One" not in await prompt_text(answering)


async def test_a_reset_meanwhile_stays(chatml: PromptBuilder, memory: Memory) -> None:
    answering = make_answering(ScriptedEngine(chatml.tokenizer.encode("One, and more.")), chatml, memory)
    question, _ = await answered(answering, memory)
    again = revise(answering, question, Task.REGENERATE)
    await run_and_do(again, lambda: answering.conversations.reset(HERE, question.id + 1))
    assert len(await versions(answering, question)) == 2
    assert STORY not in await prompt_text(answering)
    assert STORY not in await prompt_text(make_answering(ScriptedEngine([1]), chatml, memory))


async def test_an_outage_refuses_what_could_lose_a_version(chatml: PromptBuilder, memory: Memory) -> None:
    answering = make_answering(ScriptedEngine(chatml.tokenizer.encode("One, and more.")), chatml, memory)
    question, first = await answered(answering, memory)
    with memory.locked():
        await answering.conversations.reset(HERE, question.id + 1)
        again = revise(answering, question, Task.REGENERATE)
        await run(again)
        assert again.outcome is not None
        assert "The database is unavailable" in again.outcome.note
    await settled(memory)
    assert await versions(answering, question) == [first.text]


async def test_every_version_has_a_seed_of_its_own() -> None:
    greedy, drawn = Sampling(), Sampling(temperature=0.4, top_p=0.5, seed=7)
    assert sampling_for(greedy, 10, 1) == greedy
    assert sampling_for(drawn, 10, 1) == drawn
    others = [
        sampling_for(sampling, question, number)
        for sampling in (greedy, drawn)
        for question in (10, 11)
        for number in (2, 3)
    ]
    assert len({each.seed for each in others[:4]}) == len({each.seed for each in others[4:]}) == 4
    assert all(each.temperature > 0 for each in others)
    assert [(each.temperature, each.top_p) for each in others[4:]] == [(0.4, 0.5)] * 4
    assert all(0 <= sampling_for(drawn, 2**63, number).seed < 2**32 for number in (2, 20))


async def test_an_answer_that_the_model_ends_just_there_cannot_go_on_again(
    chatml: PromptBuilder, memory: Memory
) -> None:
    words = chatml.tokenizer.encode("One two three four")
    engine = ScriptedEngine(words, [])
    answering = make_answering(engine, chatml, memory, max_new_tokens=len(words) - 1)
    question, cut = await answered(answering, memory)
    assert cut.outcome == Outcome(FinishReason.LENGTH)
    more = revise(answering, question, Task.CONTINUE)
    await run(more)
    assert more.text == cut.text
    [version] = await answering.conversations.versions.of(question.id)
    assert version.reason is FinishReason.STOP
