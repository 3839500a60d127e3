"""What a question quotes of the chain of replies that it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.conversation.quoting import IsHeld
from bot.conversation.turn import Question, Quote, Relation
from tests.answering.answers import Make, prompt_text, run
from tests.answering.test_questions import MINNOW, quotes_of
from tests.conversation.memory import ask, person

pytestmark = pytest.mark.asyncio(loop_scope="session")


def replying(text: str, *quotes: Quote, before: Sequence[Quote] = ()) -> tuple[Question, list[IsHeld]]:
    """A question whose chain of replies can be read further back; with the calls that read it."""
    reads: list[IsHeld] = []

    async def earlier_quotes(is_held: IsHeld) -> Sequence[Quote]:
        reads.append(is_held)
        return [quote for quote in before if not is_held(quote.message_id)]

    return replace(ask(text, reply_to=quotes[-1].message_id, quotes=quotes), earlier_quotes=earlier_quotes), reads


async def test_the_chain_before_a_quote_is_read_when_the_question_begins(make: Make) -> None:
    answering = make(max_new_tokens=2)
    first = ask("Our boat is called Minnow.", "Grace")
    await run(answering.ask(first))
    held = Quote(first.id, first.asked.author_id, "Grace", first.asked.text, (), Relation.EARLIER)
    earlier = replace(MINNOW, message_id=6, relation=Relation.EARLIER)
    question, _ = replying("What is it called?", replace(MINNOW, message_id=7), before=[held, earlier])
    await run(answering.ask(question))
    assert quotes_of(answering, question) == (earlier, replace(MINNOW, message_id=7))


async def test_the_chain_before_what_the_conversation_holds_is_not_read(make: Make) -> None:
    answering = make(max_new_tokens=2)
    first = ask("Our boat is called Minnow.", "Grace")
    await run(answering.ask(first))
    quote = Quote(first.id, first.asked.author_id, "Grace", first.asked.text)
    question, reads = replying("What is it called?", replace(MINNOW, relation=Relation.EARLIER), quote, before=[MINNOW])
    await run(answering.ask(question))
    assert (quotes_of(answering, question), reads) == ((), []), "nor is what was read before it"


async def test_a_reply_to_a_part_of_a_question_does_not_quote_it(make: Make) -> None:
    answering = make(max_new_tokens=2)
    part = Quote(5, person("Ada"), "Ada", "Our boat is called Minnow.", (), Relation.PART)
    await run(answering.ask(ask("And you?", quotes=[part])))
    question = ask("What is it called?", "Grace", reply_to=5, quotes=[replace(part, relation=Relation.REPLIED_TO)])
    await run(answering.ask(question))
    assert quotes_of(answering, question) == ()
    assert f"Ada was speaking.)\n[Grace] {question.asked.text}" in await prompt_text(answering)


async def test_a_part_of_a_question_stays_whatever_it_replies_to(make: Make) -> None:
    answering = make(max_new_tokens=2)
    first = ask("Our boat is called Minnow.", "Grace")
    await run(answering.ask(first))
    held = Quote(first.id, first.asked.author_id, "Grace", first.asked.text)
    part = Quote(first.id + 1, person("Ada"), "Ada", "Nice.", (), Relation.PART)
    question = ask("How old is it?", "Ada", quotes=[MINNOW, held, part])
    await run(answering.ask(question))
    assert quotes_of(answering, question) == (part,)


async def test_a_deletion_while_the_chain_is_read_reaches_it(make: Make) -> None:
    answering = make(max_new_tokens=2)
    earlier = replace(MINNOW, message_id=6, relation=Relation.EARLIER)

    async def earlier_quotes(_is_held: IsHeld) -> Sequence[Quote]:
        await answering.conversations.erase([earlier.message_id])
        return [earlier]

    question = replace(ask("What is it called?", quotes=[MINNOW]), earlier_quotes=earlier_quotes)
    await run(answering.ask(question))
    assert quotes_of(answering, question) == (MINNOW,)
