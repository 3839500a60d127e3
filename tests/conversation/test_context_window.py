"""What fits into a prompt, and what is trimmed or shortened."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow, FittedPrompt
from bot.conversation.turn import Turn, UserMessage
from bot.prompting.prompt import Message, PromptBuilder
from tests.conversation.memory import SYSTEM, asked, texts, turn
from tests.phi3_tokenizer import phi3_definition, write_phi3_tokenizer

TEXTS = ("Hello", "a", "1", "", " two  spaces", "\n\nlines", "🦙 你好", "<|end|>", "[Grace] the", "(Until now")
WORDS = "the is you Hello "


@pytest.fixture(scope="module")
def other_builder(tmp_path_factory: pytest.TempPathFactory) -> PromptBuilder:
    """A tokenizer without merges, which encodes every text differently."""
    folder = tmp_path_factory.mktemp("letters")
    return write_phi3_tokenizer(folder, model={**phi3_definition()["model"], "merges": []}).builder


def window_of(builder: PromptBuilder, prompt_limit: int) -> ContextWindow:
    return ContextWindow(builder, Budget(prompt_limit + 20, 20))


class Talk:
    """A conversation in one window, with generated ids for its answers."""

    def __init__(self, window: ContextWindow, builder: PromptBuilder) -> None:
        self.window = window
        self.builder = builder
        self.branch: tuple[Turn, ...] = ()
        self.prompts: list[tuple[int, ...]] = []

    def say(self, text: str, by: str = "Ada", answer: str = "Hello you") -> FittedPrompt:
        fitted = self.window.fit(SYSTEM, self.branch, asked(text, by))
        answered = self.builder.answer(answer, self.builder.tokenizer.encode(answer))
        self.branch = (*fitted.branch, turn(fitted.asked, answered))
        self.prompts.append(fitted.prompt.ids)
        return fitted

    def next_begins_with(self) -> tuple[int, ...]:
        """The latest prompt and its answer, which are in the prefix cache."""
        answered = self.branch[-1].answer
        assert answered is not None
        assert answered.ids is not None
        return self.prompts[-1] + answered.ids


def talk_until_nearly_full(window: ContextWindow, builder: PromptBuilder, *people: str) -> Talk:
    talk = Talk(window, builder)
    for number in itertools.count():
        if window.is_nearly_full(SYSTEM, talk.branch):
            return talk
        talk.say(f"Hello {number}", people[number % len(people)], "the " * 10)
    raise AssertionError


def ids_of(builder: PromptBuilder, question: UserMessage, *branch: Turn) -> tuple[int, ...]:
    return ContextWindow(builder, Budget(1_000_000, 1)).fit(SYSTEM, branch, question).prompt.ids


@pytest.mark.parametrize(
    ("system_prompt", "begins"), [(SYSTEM, f"<|system|>\n{SYSTEM}<|end|>\n<|user|>"), ("", "<|user|>")]
)
def test_the_system_prompt_comes_first_if_there_is_one(builder: PromptBuilder, system_prompt: str, begins: str) -> None:
    fitted = window_of(builder, 300).fit(system_prompt, (), asked("Hello"))
    assert fitted.prompt.text == f"{begins}\nHello<|end|>\n<|assistant|>\n"


def test_the_whole_branch_is_in_the_prompt_while_it_fits(builder: PromptBuilder) -> None:
    talk = Talk(window_of(builder, 4000), builder)
    before: tuple[int, ...] = ()
    for number in range(12):
        by = ("Ada", "Ada", "Grace")[number % 3]
        fitted = talk.say(f"Question {number} {TEXTS[number % len(TEXTS)]}", by)
        assert len(fitted.branch) == number
        assert fitted.asked == asked(f"Question {number} {TEXTS[number % len(TEXTS)]}", by)
        assert fitted.prompt.ids[: len(before)] == before
        before = talk.next_begins_with()


def test_a_prompt_can_fill_the_budget_to_the_last_token(builder: PromptBuilder) -> None:
    branch, question = (turn(asked("Hello")),), asked("the " * 100)
    needed = len(ids_of(builder, question, *branch))
    for limit, turns in ((needed, 1), (needed - 1, 0)):
        fitted = window_of(builder, limit).fit(SYSTEM, branch, question)
        assert len(fitted.prompt.ids) <= limit
        assert len(fitted.branch) == turns
        assert fitted.asked == question


def test_one_big_trim_then_many_turns_without_one(builder: PromptBuilder) -> None:
    limit = 900
    talk = Talk(window_of(builder, limit), builder)
    trims, lengths = [], []
    for number in range(80):
        before = talk.next_begins_with() if talk.branch else ()
        ids = talk.say(f"Hello {number} " + "the " * 15).prompt.ids
        lengths.append(len(ids))
        # Without a trim, everything in the prefix cache is used.
        if ids[: len(before)] != before:
            trims.append(number)
    assert max(lengths) <= limit
    assert 2 <= len(trims) <= 12
    assert all(lengths[trim] <= limit / 2 + 60 for trim in trims)
    assert min(later - earlier for earlier, later in itertools.pairwise(trims)) >= 5


def test_the_system_prompt_and_the_question_survive_every_trim(builder: PromptBuilder) -> None:
    talk = Talk(window_of(builder, 250), builder)
    for number in range(40):
        text = talk.say(f"Question {number}?", answer="Hello " * 5).prompt.text
        assert text.startswith(f"<|system|>\n{SYSTEM}<|end|>\n<|user|>\n")
        assert text.endswith(f"<|user|>\nQuestion {number}?<|end|>\n<|assistant|>\n")


@pytest.mark.parametrize("people", [("Ada",), ("Ada", "Grace")])
def test_a_nearly_full_branch_is_trimmed_once(builder: PromptBuilder, people: tuple[str, ...]) -> None:
    window = window_of(builder, 900)
    talk = talk_until_nearly_full(window, builder, *people)
    before = talk.branch[:-1]
    assert window.roomy(SYSTEM, before) == before, "it was not trimmed too early"

    trimmed = tuple(window.roomy(SYSTEM, talk.branch))

    assert 0 < len(trimmed) < len(talk.branch)
    assert trimmed == talk.branch[-len(trimmed) :]
    assert not window.is_nearly_full(SYSTEM, trimmed)
    assert window.roomy(SYSTEM, trimmed) == trimmed
    assert window.fit(SYSTEM, talk.branch, asked("Hello")).branch == trimmed
    assert len(window.prefix(SYSTEM, talk.branch).ids) <= 900 / 2


def test_the_latest_turn_stays_if_it_fits(builder: PromptBuilder) -> None:
    window = window_of(builder, 400)
    older, long = turn(asked("Hello")), turn(asked("the " * 320))
    for _ in range(2):
        assert window.roomy(SYSTEM, (older, long)) == (long,)
        assert window.roomy(SYSTEM, (long,)) == (long,)
    assert window.fit(SYSTEM, (older, long), asked("Hello")).branch == (long,)
    assert window.fit(SYSTEM, (older, long), asked("Hello " * 90)).branch == ()
    assert window.roomy(SYSTEM, (older, turn(asked("the " * 500)))) == ()


@pytest.mark.parametrize("people", [("Ada",), ("Ada", "Grace")])
@pytest.mark.parametrize("text", TEXTS)
def test_every_next_prompt_begins_with_the_prefix(builder: PromptBuilder, people: tuple[str, ...], text: str) -> None:
    talk = Talk(window_of(builder, 900), builder)
    for number in range(3):
        talk.say(f"Hello {number}", people[number % len(people)])
        # The last token may be the space before a word, which some texts do not begin with.
        certain = talk.window.prefix(SYSTEM, talk.branch).ids[:-1]
        for by in ("Ada", "Grace", "(somebody)"):
            fitted = talk.window.fit(SYSTEM, talk.branch, asked(text, by))
            assert fitted.prompt.ids[: len(certain)] == certain


def test_the_prefix_contains_the_whole_branch(builder: PromptBuilder) -> None:
    talk = Talk(window_of(builder, 900), builder)
    for by in ("Ada", "Ada", "Grace"):
        talk.say("Hello", by)
        known = talk.next_begins_with()
        assert talk.window.prefix(SYSTEM, talk.branch).ids[: len(known)] == known


spoken = st.tuples(st.sampled_from(("Ada", "Grace", "Linus [x]")), st.text(max_size=200), st.integers(0, 150))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    speeches=st.lists(spoken, max_size=12),
    question=spoken,
    limit=st.integers(120, 600),
    erased=st.sets(st.integers(0, 11)),
)
def test_every_prompt_fits_and_begins_with_the_prefix(
    builder: PromptBuilder,
    speeches: list[tuple[str, str, int]],
    question: tuple[str, str, int],
    limit: int,
    erased: set[int],
) -> None:
    window = window_of(builder, limit)
    branch = [turn(asked(text + WORDS * words, by), "the " * (words // 2)) for by, text, words in speeches]
    branch = [
        replace(each, asked=None, answer=None) if number in erased else each for number, each in enumerate(branch)
    ]
    by, text, words = question
    wanted = asked(text + WORDS * words, by)

    fitted = window.fit(SYSTEM, branch, wanted)

    assert len(fitted.prompt.ids) <= limit
    assert fitted.branch == tuple(branch[len(branch) - len(fitted.branch) :])
    assert wanted.text.startswith(fitted.asked.text)
    assert (fitted.asked == wanted) == (fitted.asked_tokens <= limit)
    assert fitted.asked_tokens == len(ids_of(builder, wanted))
    roomy = tuple(window.roomy(SYSTEM, branch))
    assert tuple(window.roomy(SYSTEM, roomy)) == roomy
    if fitted.branch == roomy:
        certain = window.prefix(SYSTEM, branch).ids[:-1]
        assert fitted.prompt.ids[: len(certain)] == certain
    # Fitting the result again gives the same prompt.
    assert window.fit(SYSTEM, fitted.branch, fitted.asked).prompt == fitted.prompt


def test_the_parts_of_a_context_add_up(builder: PromptBuilder) -> None:
    window = window_of(builder, 900)
    talk = Talk(window, builder)
    empty = window.usage(SYSTEM, ())
    assert (empty.context, empty.reserve, empty.history, empty.branch) == (920, 20, 0, ())
    assert window.system_prompt_tokens(SYSTEM) == empty.system_prompt
    assert empty.system_prompt == len(window.prefix(SYSTEM, ()).ids) > window.usage("", ()).system_prompt
    for number in range(30):
        talk.say(f"Hello {number} " + "the " * 15, ("Ada", "Grace")[number % 2])
        usage = window.usage(SYSTEM, talk.branch)
        assert usage.system_prompt == empty.system_prompt
        assert usage.system_prompt + usage.history == len(window.prefix(SYSTEM, talk.branch).ids)
        assert usage.system_prompt + usage.history + usage.reserve <= usage.context
        assert usage.branch == tuple(window.roomy(SYSTEM, talk.branch))
        assert texts(usage.branch)[-1].startswith(f"Hello {number} ")


def test_generated_ids_are_used_with_their_own_tokenizer_only(
    builder: PromptBuilder, other_builder: PromptBuilder
) -> None:
    # A model can generate these ids, but the tokenizer does not encode the text this way.
    generated = tuple(id for letter in "Hello" for id in builder.tokenizer.encode(letter))
    branch = (turn(asked("Hello you"), builder.answer("Hello", generated)),)
    with_ids = window_of(builder, 900).fit(SYSTEM, branch, asked("the")).prompt.ids
    assert any(with_ids[start : start + len(generated)] == generated for start in range(len(with_ids)))
    history = [Message("system", SYSTEM), Message("user", "Hello you"), Message("assistant", "Hello")]
    others = window_of(other_builder, 900).fit(SYSTEM, branch, asked("the")).prompt.ids
    assert others == other_builder.build([*history, Message("user", "the")]).ids != with_ids


def test_another_model_with_a_shorter_context_sees_less(builder: PromptBuilder) -> None:
    talk = Talk(window_of(builder, 4000), builder)
    for number in range(20):
        talk.say(f"Hello {number}")
    fitted = window_of(builder, 150).fit(SYSTEM, talk.branch, asked("the"))
    assert len(fitted.prompt.ids) <= 150
    assert "Hello 19" in fitted.prompt.text
    assert 0 < len(fitted.branch) < 20
