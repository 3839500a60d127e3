"""What becomes of a question until it is answered: edits, quotes, thread starters, and one that is too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.answering.service import AnswerService
from bot.answering.shortened_question import ShortenedQuestion
from bot.conversation.turn import ConversationKey, Question, Quote, TextFile
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import Message, PromptBuilder
from tests.answering.answers import (
    CAPITAL,
    COUNT,
    SYSTEM,
    Make,
    channel,
    prompt_text,
    run,
    run_and_do,
    turn_of,
)
from tests.conversation.memory import ask, asked, person

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINNOW = Quote(5, person("Grace"), "Grace", "Our boat is called Minnow.")


class ThreadStarter:
    """The message that a thread grew from, and how often it was read."""

    def __init__(self, on_read: Callable[[], None] = lambda: None) -> None:
        self.reads = 0
        self._on_read = on_read

    async def __call__(self) -> Quote | None:
        self.reads += 1
        await asyncio.sleep(0)
        self._on_read()
        return MINNOW


def in_thread(text: str, starter: ThreadStarter) -> Question:
    return replace(ask(text, key=channel("thread")), thread_starter=starter)


def quotes_of(answering: AnswerService, question: Question) -> tuple[Quote, ...]:
    """The quotes that memory keeps with a question."""
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.asked is not None
    return turn.asked.quotes


# ------------------------------------------------------------ edits and deletions


async def test_a_waiting_question_is_asked_as_it_was_edited(make: Make) -> None:
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


async def test_a_running_answer_continues_and_memory_has_the_edited_question(make: Make) -> None:
    answering = make(max_new_tokens=20)
    question = ask(COUNT)
    answer = answering.ask(question)
    before = []

    async def edit() -> None:
        before.append(answer.text)
        await answering.conversations.edit(question.id, "Count, please.", [])

    await run_and_do(answer, edit)
    assert answer.outcome == Outcome(FinishReason.LENGTH)
    assert answer.text.startswith(before[0])
    assert len(answer.text) > len(before[0]), "the answer continues"
    for each in (answering, make()):
        text = await prompt_text(each)
        assert f"user\nCount, please.<|im_end|>\n<|im_start|>assistant\n{answer.text}" in text
        assert COUNT not in text


async def test_an_edit_while_the_question_is_read_is_not_lost(make: Make) -> None:
    answering = make(max_new_tokens=2)
    question = ask(COUNT, files=[TextFile(1, "a.txt", "first"), TextFile(2, "b.txt", "second")])
    with answering.admit(question.key, question.asked.author_id) as pending:
        await answering.conversations.edit(question.id, "Hm.", [2])
        await answering.conversations.edit(question.id, "Hello.", [2])
        answer = pending.ask(question)
    assert answer.question.asked == asked("Hello.", files=[TextFile(2, "b.txt", "second")])


async def test_a_question_deleted_while_it_is_read_is_never_answered(make: Make) -> None:
    answering = make()
    question = ask(COUNT)
    with answering.admit(question.key, question.asked.author_id) as pending:
        await answering.conversations.erase([question.id])
        answer = pending.ask(question)
        assert await run(answer) == []
    assert answer.outcome == Outcome(FinishReason.CANCELLED)
    assert answering.queue.idle


async def test_the_ticket_keeps_its_order_while_the_question_is_read(make: Make) -> None:
    answering = make(max_new_tokens=2, most_running=1)
    first, second = ask("First.", "Ada"), ask("Second.", "Grace")
    with answering.admit(first.key, first.asked.author_id) as pending:
        later = asyncio.create_task(run(answering.ask(second)))
        await asyncio.sleep(0)
        await run(pending.ask(first))
    await later
    text = await prompt_text(answering)
    assert text.index("First.") < text.index("Second.")


async def test_a_question_that_is_not_asked_after_all_gives_its_ticket_back(make: Make) -> None:
    answering = make()
    with answering.admit(ConversationKey(1), 1):
        assert not answering.queue.idle
    assert answering.queue.idle


# ------------------------------------------------------------ quotes and thread starters


@pytest.mark.parametrize("is_deletion", [False, True])
async def test_a_thread_starter_that_changes_while_it_is_read_is_quoted_as_it_is_now(
    make: Make, is_deletion: bool
) -> None:
    answering = make(max_new_tokens=2)

    async def read_before_the_change() -> Quote:
        if is_deletion:
            await answering.conversations.erase([MINNOW.message_id])
        else:
            await answering.conversations.edit(MINNOW.message_id, "Our boat is called Titanic.", [])
        return MINNOW

    question = replace(ask("What is it called?", key=channel("thread")), thread_starter=read_before_the_change)
    await run(answering.ask(question))
    expected = () if is_deletion else (replace(MINNOW, text="Our boat is called Titanic."),)
    assert quotes_of(answering, question) == expected


async def test_a_quote_that_the_conversation_holds_is_left_out(make: Make) -> None:
    answering = make(max_new_tokens=2)
    first = ask("Our boat is called Minnow.", "Grace")
    await run(answering.ask(first))
    quote = Quote(first.id, first.asked.author_id, "Grace", first.asked.text)
    known = ask("What is it called?", reply_to=first.id, quotes=[quote])
    unknown = ask("What is it called?", reply_to=MINNOW.message_id, quotes=[MINNOW])
    await run(answering.ask(known))
    await run(answering.ask(unknown))
    assert quotes_of(answering, known) == ()
    assert quotes_of(answering, unknown) == (MINNOW,)


async def test_an_answer_that_the_conversation_holds_is_not_quoted(make: Make) -> None:
    answering = make(max_new_tokens=2)
    first = ask("Our boat is called Minnow.", "Grace")
    await run(answering.ask(first))
    answering.conversations.replied(first.id, 77)
    quote = Quote(77, person("Phi"), "Phi", "Nice.")
    known = ask("What is it called?", reply_to=77, quotes=[quote])
    unknown = ask("What is it called?", reply_to=78, quotes=[replace(quote, message_id=78)])
    for question in (known, unknown):
        await run(answering.ask(question))
    assert (quotes_of(answering, known), quotes_of(answering, unknown)) == ((), (replace(quote, message_id=78),))


async def test_a_question_that_is_asked_again_keeps_its_quote(make: Make) -> None:
    answering = make(max_new_tokens=2)
    first = ask(CAPITAL, "Grace")
    await run(answering.ask(first))
    quote = Quote(first.id, first.asked.author_id, "Grace", CAPITAL)
    again = ask("", "Ada", reply_to=first.id, quotes=[quote])
    await run(answering.ask(again))
    assert quotes_of(answering, again) == (quote,)
    assert f"[Ada] Grace asks: {CAPITAL}" in await prompt_text(answering)


async def test_deleting_all_that_is_asked_takes_the_question_back(make: Make) -> None:
    answering = make()
    answer = answering.ask(ask("", "Ada", quotes=[MINNOW]))
    await answering.conversations.erase([MINNOW.message_id])
    assert await run(answer) == []
    assert answer.outcome == Outcome(FinishReason.CANCELLED)


async def test_a_quote_of_an_erased_question_stays(make: Make) -> None:
    answering = make(max_new_tokens=2)
    erased, following = ask("Our boat is called Minnow.", "Grace"), ask("I see.", "Grace")
    await run(answering.ask(erased))
    await run(answering.ask(following))
    await answering.conversations.erase([erased.id])
    quote = Quote(erased.id, erased.asked.author_id, "Grace", erased.asked.text)
    question = ask("What is it called?", reply_to=erased.id, quotes=[quote])
    await run(answering.ask(question))
    assert quotes_of(answering, question) == (quote,)


async def test_only_the_first_question_of_a_thread_quotes_its_starter(make: Make) -> None:
    answering = make(max_new_tokens=2)
    starter = ThreadStarter()
    first, second = in_thread("What is our boat called?", starter), in_thread("How old is it?", starter)
    answers = [answering.ask(first), answering.ask(second)]
    await asyncio.gather(*map(run, answers))
    assert (quotes_of(answering, first), quotes_of(answering, second)) == ((MINNOW,), ())
    assert starter.reads == 1
    assert MINNOW.text in await prompt_text(answering, channel("thread"))


async def test_a_thread_that_was_reset_does_not_quote_its_starter(make: Make) -> None:
    answering = make(max_new_tokens=2)
    starter = ThreadStarter()
    await answering.conversations.reset(channel("thread"), at_id=1)
    await run(answering.ask(in_thread("Hello.", starter)))
    assert starter.reads == 0


async def test_an_edit_while_the_starter_is_read_is_not_lost(make: Make) -> None:
    answering = make(max_new_tokens=2)
    edits: list[asyncio.Task[None]] = []

    def edit() -> None:
        edits.append(asyncio.ensure_future(answering.conversations.edit(question.id, "Hello.", [])))

    question = in_thread(COUNT, ThreadStarter(edit))
    await run(answering.ask(question))
    await asyncio.gather(*edits)
    turn = turn_of(answering, question)
    assert turn is not None
    assert turn.asked == replace(asked("Hello."), quotes=(MINNOW,))


# ------------------------------------------------------------ length


async def test_a_question_too_long_is_shortened_and_says_so(make: Make, chatml: PromptBuilder) -> None:
    answering = make(context_length=200, max_new_tokens=50)
    text = "Tell me a story about rain. " * 50
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
