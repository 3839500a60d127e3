"""How much of a conversation the model sees."""

from __future__ import annotations

import itertools

import pytest

from bot.core.conversation import Budget, Conversation, Conversations, QuestionTooLongError
from bot.core.prompt import Message, PromptBuilder

SYSTEM = "Be brief."


def ask(text: str) -> Message:
    return Message("user", text)


def answered(conversation: Conversation, question: Message, answer: str = "Hello you") -> tuple[int, ...]:
    """Ask, remember an answer, and return the prompt's ids."""
    prompt = conversation.prompt(question)
    conversation.remember(question, Message("assistant", answer))
    return prompt.ids


def test_the_budget_keeps_room_for_the_answer_but_never_more_than_half() -> None:
    assert Budget(4096, 1024).prompt_limit == 3072
    assert Budget(4096, 100_000).prompt_limit == 2048


def test_a_prompt_may_fill_the_budget_to_the_last_token(builder: PromptBuilder) -> None:
    first = Conversation(builder, SYSTEM, Budget(10_000, 1))
    answered(first, ask("the " * 20))
    needed = len(first.prompt(ask("Hello")).ids)
    for limit, turns_kept in ((needed, 1), (needed - 1, 0)):
        conversation = Conversation(builder, SYSTEM, Budget(limit + 10, 10))
        answered(conversation, ask("the " * 20))
        prompt = conversation.prompt(ask("Hello"))
        assert len(prompt.ids) <= limit
        assert len(conversation.turns) == turns_kept


def test_one_big_trim_then_many_turns_without_one(builder: PromptBuilder) -> None:
    limit = 900
    conversation = Conversation(builder, SYSTEM, Budget(limit + 100, 100))
    lengths: list[int] = []
    starts_changed: list[bool] = []
    before: tuple[int, ...] = ()
    for number in range(80):
        ids = answered(conversation, ask(f"Hello {number} " + "the " * 15))
        assert len(ids) <= limit
        # Everything but the mark that opened the answer stays where the history only grew.
        starts_changed.append(ids[: len(before)] != before)
        lengths.append(len(ids))
        before = ids
    trims = [number for number, changed in enumerate(starts_changed) if changed]
    assert 2 <= len(trims) <= 12
    assert all(lengths[trim] <= limit / 2 for trim in trims)
    assert min(later - earlier for earlier, later in itertools.pairwise(trims)) >= 5


def test_the_system_prompt_and_the_question_survive_every_trim(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(300, 50))
    for number in range(40):
        prompt = conversation.prompt(ask(f"Question {number}?"))
        assert prompt.text.startswith(f"<|system|>\n{SYSTEM}<|end|>\n")
        assert prompt.text.endswith(f"<|user|>\nQuestion {number}?<|end|>\n<|assistant|>\n")
        conversation.remember(ask(f"Question {number}?"), Message("assistant", "Hello " * 5))


def test_a_question_too_long_says_how_long_and_forgets_nothing(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(300, 50))
    answered(conversation, ask("Hello"))
    answered(conversation, ask("the"))
    with pytest.raises(QuestionTooLongError) as caught:
        conversation.prompt(ask("zq " * 400))
    assert caught.value.limit == 250
    assert caught.value.tokens == len(builder.build([Message("system", SYSTEM), ask("zq " * 400)]).ids)
    assert len(conversation.turns) == 2
    assert "Hello" in conversation.prompt(ask("and")).text


def test_no_system_prompt_means_no_system_turn(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, "", Budget(300, 50))
    assert conversation.prompt(ask("Hello")).text == "<|user|>\nHello<|end|>\n<|assistant|>\n"


def test_names_come_with_the_second_person(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(4096, 50))

    def says(author: str | None, text: str) -> str:
        question = conversation.user_turn(text, author)
        conversation.remember(question, Message("assistant", "Hi"), author)
        return question.content

    assert says("Ada", "one") == "one"
    assert says("Ada", "two") == "two"
    assert says("Grace", "three") == "(Until now Ada was speaking.)\n[Grace] three"
    assert says("Ada", "four") == "[Ada] four"
    assert says("Linus", "five") == "[Linus] five"
    assert says(None, "six") == "six"


def test_a_question_that_got_no_answer_leaves_no_name_behind(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(4096, 50))
    conversation.user_turn("never answered", "Ada")
    question = conversation.user_turn("one", "Grace")
    assert question.content == "one"
    conversation.remember(question, Message("assistant", "Hi"), "Grace")
    told = "(Until now Grace was speaking.)\n[Ada] two"
    assert conversation.user_turn("two", "Ada").content == told
    assert conversation.user_turn("two", "Ada").content == told


def test_the_conversation_unused_longest_goes_first(builder: PromptBuilder) -> None:
    conversations = Conversations(builder, SYSTEM, Budget(300, 50), most=2)
    first, second = conversations.get("first"), conversations.get("second")
    assert conversations.get("first") is first
    conversations.get("third")
    assert conversations.get("first") is first
    assert conversations.get("second") is not second
