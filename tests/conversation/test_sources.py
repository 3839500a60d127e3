"""Whose words a prompt holds, and from where on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.turn import ConversationKey, Question, Quote, Relation, TextFile, Turn, UserMessage
from bot.conversation.wording import worded_turns
from bot.engine.interface import Source
from bot.prompting.chat_template import ChatTemplate
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.tokenizer import Tokenizer
from tests.conversation.memory import ELSEWHERE, HERE, SYSTEM, ask, asked, person, turn
from tests.phi3_tokenizer import phi3_definition

TAGGED = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}<|assistant|>\n"
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}assistant: "
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"

TEXTS = st.sampled_from(["", " ", "\n", " Hello ", "Hello you", "the", "<|end|>", "[Ada] a"]) | st.text(max_size=20)
NAMES = st.sampled_from(["Ada", "Grace", "Linus [x]"])
FILES = st.lists(st.builds(TextFile, st.integers(1, 9), TEXTS, TEXTS), max_size=2).map(tuple)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    by = draw(NAMES)
    relation = draw(st.sampled_from(Relation))
    return Quote(draw(st.integers(1, 99)), person(by), by, draw(TEXTS), draw(FILES), relation)


@st.composite
def messages(draw: st.DrawFn) -> UserMessage:
    """A member's words: at times with files, or quotes of other members'."""
    return asked(draw(TEXTS), draw(NAMES), draw(st.lists(quotes(), max_size=2)), draw(FILES))


def window_over(builder: PromptBuilder, prompt_limit: int = 1_000_000) -> ContextWindow:
    return ContextWindow(builder, Budget(prompt_limit + 20, 20))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(TAGGED, id="control tokens"),
        pytest.param(NO_SYSTEM + TAGGED, id="no system role"),
        pytest.param(PLAIN, id="plain text only"),
        pytest.param(NO_SYSTEM + PLAIN, id="plain text only, no system role"),
    ],
)
def any_builder(request: pytest.FixtureRequest) -> PromptBuilder:
    template = ChatTemplate(request.param, {}, frozenset({"<|nothing|>"}))
    return PromptBuilder(Tokenizer(phi3_definition()), template)


def branch_of(builder: PromptBuilder, spoken: list[tuple[UserMessage | None, str, bool]]) -> list[Turn]:
    """Turns with these questions and answers, some of them with generated ids; erased without a question."""
    return [
        turn(what, builder.answer(text, builder.tokenizer.encode(text)) if generated else text)
        for what, text, generated in spoken
    ]


def reworded(builder: PromptBuilder, said: Turn, words: UserMessage, answer: str) -> Turn:
    """The same turn, had the same messages other words."""
    assert said.asked is not None
    return replace(
        said,
        asked=replace(words, author_id=said.asked.author_id),
        answer=builder.answer(answer, builder.tokenizer.encode(answer)),
    )


@settings(max_examples=100)
@given(
    spoken=st.lists(st.tuples(st.none() | messages(), TEXTS, st.booleans()), max_size=6),
    last=messages(),
    system=st.sampled_from(["", SYSTEM]),
    changed=st.integers(0, 5),
    other=messages().filter(lambda words: not words.asks_nothing),
    other_answer=TEXTS,
)
def test_no_id_before_a_source_depends_on_its_words(
    any_builder: PromptBuilder,
    spoken: list[tuple[UserMessage | None, str, bool]],
    last: UserMessage,
    system: str,
    changed: int,
    other: UserMessage,
    other_answer: str,
) -> None:
    window, branch = window_over(any_builder), branch_of(any_builder, spoken)
    question = Question(1, HERE, last)
    fitted = window.fit(system, branch, last)
    said = [each for each, _, _ in worded_turns(branch)]

    if changed < len(said):
        source_id = said[changed].id
        branch[branch.index(said[changed])] = reworded(any_builder, said[changed], other, other_answer)
    else:
        source_id, last = question.id, replace(other, author_id=last.author_id)

    start = next(each.start for each in fitted.sources(question) if each.message_id == source_id)
    assert window.fit(system, branch, last).prompt.ids[:start] == fitted.prompt.ids[:start]


@settings(max_examples=100)
@given(
    spoken=st.lists(st.tuples(st.none() | messages(), TEXTS, st.booleans()), max_size=6),
    last=messages(),
    system=st.sampled_from(["", SYSTEM]),
)
def test_every_message_of_a_prompt_is_a_source(
    any_builder: PromptBuilder, spoken: list[tuple[UserMessage | None, str, bool]], last: UserMessage, system: str
) -> None:
    window, branch = window_over(any_builder), branch_of(any_builder, spoken)
    question = Question(1, ELSEWHERE, last)
    fitted = window.fit(system, branch, last)
    sources, prefix = fitted.sources(question), window.prefix(system, branch)

    def of(message_id: int, key: ConversationKey, what: UserMessage) -> list[tuple[int, int, int]]:
        quoted = [(quote.message_id, quote.author_id, key.channel_id) for quote in what.quotes]
        return [(message_id, what.author_id, key.channel_id), *quoted]

    history = [each for said, what, _ in worded_turns(branch) for each in of(said.id, said.key, what)]
    found = [(each.message_id, each.author_id, each.channel_id) for each in sources]
    assert found == history + of(question.id, question.key, last)
    starts = [each.start for each in sources]
    assert starts == sorted(starts)
    assert all(start < len(fitted.prompt.ids) for start in starts)
    assert prefix.sources == sources[: len(history)]
    assert all(each.start < len(prefix.ids) for each in prefix.sources)


def test_a_turn_and_its_quote_begin_where_the_question_does(builder: PromptBuilder) -> None:
    quote = Quote(7, person("Linus"), "Linus", "Fish fly.")
    first, second = turn(asked("one")), replace(turn(asked("Is that so?", "Grace", [quote])), key=ELSEWHERE)
    question = ask("three")
    fitted = window_over(builder).fit(SYSTEM, [first, turn(None), second], question.asked)

    sources = fitted.sources(question)

    assert [replace(each, start=0) for each in sources] == [
        Source(0, first.id, person("Ada"), HERE.channel_id),
        Source(0, second.id, person("Grace"), ELSEWHERE.channel_id),
        Source(0, 7, person("Linus"), ELSEWHERE.channel_id),
        Source(0, question.id, person("Ada"), HERE.channel_id),
    ]
    begins = [builder.tokenizer.decode(fitted.prompt.ids[each.start :]).split("\n")[0].strip() for each in sources]
    assert begins[0].startswith("one")
    assert begins[1] == begins[2] == "(Until now Ada was speaking.)"
    assert begins[3].startswith("[Ada] three")


def test_a_turn_that_was_trimmed_is_no_source(builder: PromptBuilder) -> None:
    branch = [turn(asked(f"{number} " + "the " * 20), Message("assistant", "Hi")) for number in range(20)]
    window, question = window_over(builder, 200), ask("And now?")
    fitted = window.fit(SYSTEM, branch, question.asked)
    assert 0 < len(fitted.branch) < len(branch)
    expected = [each.id for each in fitted.branch]
    assert [each.message_id for each in fitted.sources(question)] == [*expected, question.id]
    assert [each.message_id for each in window.prefix(SYSTEM, branch).sources] == expected


def test_a_quote_for_which_there_is_no_room_is_no_source(builder: PromptBuilder) -> None:
    question = ask("the " * 100, quotes=[Quote(7, person("Grace"), "Grace", "you " * 50)])
    fitted = window_over(builder, 80).fit("", (), question.asked)
    assert fitted.asked.quotes == ()
    assert [each.message_id for each in fitted.sources(question)] == [question.id]
