"""How much of a conversation the model sees."""

from __future__ import annotations

import itertools

import pytest

from bot.core.conversation import Budget, Conversation, Conversations, QuestionTooLongError
from bot.core.prompt import Message, PromptBuilder
from tests.phi3_tokenizer import phi3_definition, write_phi3_tokenizer

SYSTEM = "Be brief."
QUESTIONS = ("Hello", "a", "1", "", " two  spaces", "\n\nlines", "🦙 你好", "<|end|>", "[Grace] the")


@pytest.fixture(scope="module")
def other_builder(tmp_path_factory: pytest.TempPathFactory) -> PromptBuilder:
    """A tokenizer that knows no words, so that every text is other ids to it."""
    folder = tmp_path_factory.mktemp("letters")
    return write_phi3_tokenizer(folder, model={**phi3_definition()["model"], "merges": []}).builder


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


def test_a_longest_prompt_can_be_set_and_never_lengthens_the_context() -> None:
    assert Budget(4096, 1024, 300).prompt_limit == 300
    assert Budget(4096, 1024, 100_000).prompt_limit == 3072


def test_a_longest_prompt_that_was_set_is_kept(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(10_000, 100, 200))
    for number in range(20):
        assert len(answered(conversation, ask(f"Hello {number} " + "the " * 15))) <= 200
    with pytest.raises(QuestionTooLongError) as caught:
        conversation.prompt(ask("zq " * 400))
    assert caught.value.limit == 200


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_next_prompt_begins_with_the_prefix(builder: PromptBuilder, question: str) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(4096, 100))
    for _ in range(3):
        # Its last token may be the space before a word, which some questions begin without.
        certain = conversation.prefix()[:-1]
        assert conversation.prompt(ask(question)).ids[: len(certain)] == certain
        answered(conversation, ask("Hello " * 10))


def test_the_prefix_holds_everything_that_was_said(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(4096, 100))
    question = ask("Hello")
    answer = builder.answer("Hello you", builder.tokenizer.encode("Hello you"))
    before = conversation.prompt(question).ids
    conversation.remember(question, answer)
    assert answer.ids is not None
    assert conversation.prefix()[: len(before) + len(answer.ids)] == before + answer.ids
    assert len(conversation.turns) == 1


def test_a_history_that_is_all_but_full_is_trimmed_for_the_prefix(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(1000, 100))
    while not conversation.nearly_full:
        turns = len(conversation.turns)
        conversation.prefix()
        assert len(conversation.turns) == turns, "nothing is forgotten before it must be"
        answered(conversation, ask("the " * 20))
    conversation.cached_by = 1
    turns = len(conversation.turns)

    prefix = conversation.prefix()

    assert 0 < len(conversation.turns) < turns
    assert len(prefix) <= 900 / 2
    assert not conversation.nearly_full
    assert conversation.cached_by is None
    assert conversation.prefix() == prefix
    assert conversation.prompt(ask("the " * 20)).ids[: len(prefix) - 1] == prefix[:-1]


def test_a_trim_makes_the_engine_read_again(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(300, 50))
    while len(conversation.prompt(ask("Hello")).ids) < 200:
        answered(conversation, ask("the " * 15))
    conversation.cached_by = 1
    conversation.prompt(ask("Hello"))
    assert conversation.cached_by == 1
    conversation.prompt(ask("the " * 60))
    assert conversation.cached_by is None


def test_the_generated_ids_stay_with_the_tokenizer_that_they_belong_to(
    builder: PromptBuilder, other_builder: PromptBuilder
) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(4096, 100))
    # As a model may well generate it, and no tokenizer would encode it.
    generated = tuple(id for letter in "Hello" for id in builder.tokenizer.encode(letter))
    conversation.remember(ask("Hello you"), builder.answer("Hello", generated))
    conversation.cached_by = 1
    with_ids = conversation.prompt(ask("the")).ids
    assert contains(with_ids, generated)

    conversation.adopt(other_builder, Budget(4096, 100))

    history = [Message("system", SYSTEM), ask("Hello you"), Message("assistant", "Hello"), ask("the")]
    assert conversation.prompt(ask("the")).ids == other_builder.build(history).ids != with_ids
    assert conversation.cached_by is None

    conversation.adopt(builder, Budget(4096, 100))
    assert conversation.prompt(ask("the")).ids == with_ids


def test_another_model_with_a_shorter_context_sees_less(builder: PromptBuilder) -> None:
    conversation = Conversation(builder, SYSTEM, Budget(4096, 100))
    for number in range(20):
        answered(conversation, ask(f"Hello {number}"))
    conversation.adopt(builder, Budget(200, 50))
    prompt = conversation.prompt(ask("the"))
    assert len(prompt.ids) <= 150
    assert "Hello 19" in prompt.text


def test_all_conversations_go_on_with_another_model(builder: PromptBuilder, other_builder: PromptBuilder) -> None:
    conversations = Conversations(builder, SYSTEM, Budget(4096, 50))
    answered(conversations.get("old"), ask("Hello you"))
    conversations.adopt(other_builder, Budget(4096, 50))
    for key in ("old", "new"):
        conversation = conversations.get(key)
        texts = [message for turn in conversation.turns for message in (turn.question, turn.answer)]
        expected = other_builder.build([Message("system", SYSTEM), *texts, ask("the")])
        assert conversation.prompt(ask("the")) == expected
    assert len(conversations.get("old").turns) == 1


def test_the_recent_conversations_are_the_ones_used_last(builder: PromptBuilder) -> None:
    conversations = Conversations(builder, SYSTEM, Budget(300, 50))
    first, second, third = (conversations.get(key) for key in ("first", "second", "third"))
    conversations.get("first")
    assert conversations.find("second") is second
    assert conversations.find("nobody") is None
    assert conversations.recent(2) == [first, third]
    assert conversations.recent(9) == [first, third, second]


def contains(ids: tuple[int, ...], part: tuple[int, ...]) -> bool:
    return any(ids[start : start + len(part)] == part for start in range(len(ids)))
