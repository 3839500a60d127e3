"""A prompt says where each message begins: nothing before depends on the message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.prompting.chat_template import ChatTemplate
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.tokenizer import Tokenizer
from tests.phi3_tokenizer import Phi3Tokenizer, phi3_definition

TAGGED = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}<|assistant|>\n"
TRIMMED = "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<|end|>{% endfor %}<|assistant|>"
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}assistant: "
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
SYSTEM_LAST = (
    "{% set system = messages[0].content if messages[0].role == 'system' else '' %}"
    "{% for m in messages if m.role != 'system' %}"
    "<|{{ m.role }}|>{% if loop.last %}{{ system }}\n{% endif %}{{ m.content }}<|end|>{% endfor %}<|assistant|>"
)
LATEST_TURN = NO_SYSTEM + "{% for m in messages[-3:] %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"

CONTENTS = st.sampled_from(["", " ", "\n", " Hello ", "Hello you", "the", "<|end|>", "user: a", "🦙"]) | st.text(
    max_size=20
)
TURNS = st.lists(st.tuples(CONTENTS, CONTENTS, st.booleans()), max_size=5)


def builder_of(template: str) -> PromptBuilder:
    # Phi-3's own control texts would have Phi-3's template used where this one has no system role.
    return PromptBuilder(Tokenizer(phi3_definition()), ChatTemplate(template, {}, frozenset({"<|nothing|>"})))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(TAGGED, id="control tokens"),
        pytest.param(TRIMMED, id="trims contents"),
        pytest.param(NO_SYSTEM + TAGGED, id="no system role"),
        pytest.param(PLAIN, id="plain text only"),
        pytest.param(NO_SYSTEM + PLAIN, id="plain text only, no system role"),
        pytest.param(SYSTEM_LAST, id="system prompt in the last question"),
        pytest.param(LATEST_TURN, id="leaves out all but the latest turn"),
    ],
)
def any_builder(request: pytest.FixtureRequest) -> PromptBuilder:
    return builder_of(request.param)


def conversation(builder: PromptBuilder, system: str | None, turns: list[tuple[str, str, bool]]) -> list[Message]:
    """A system prompt, turns, of which some have generated ids, and a question."""
    messages = [] if system is None else [Message("system", system)]
    for question, answer, generated in turns:
        ids = builder.tokenizer.encode(answer)
        messages += [
            Message("user", question),
            builder.answer(answer, ids) if generated else Message("assistant", answer),
        ]
    return [*messages, Message("user", "And now?")]


def with_other_content(builder: PromptBuilder, message: Message, content: str) -> Message:
    ids = None if message.ids is None else tuple(builder.tokenizer.encode(content))
    return replace(message, content=content, ids=ids)


@settings(max_examples=100)
@given(system=st.none() | CONTENTS, turns=TURNS, other=CONTENTS, changed=st.integers(0, 11))
def test_no_id_before_a_message_depends_on_it(
    any_builder: PromptBuilder, system: str | None, turns: list[tuple[str, str, bool]], other: str, changed: int
) -> None:
    messages = conversation(any_builder, system, turns)
    changed %= len(messages)
    prompt = any_builder.build(messages)
    messages[changed] = with_other_content(any_builder, messages[changed], other)

    start = prompt.starts[changed]
    changed_prompt = any_builder.build(messages)

    assert changed_prompt.starts[changed] == start
    assert changed_prompt.ids[:start] == prompt.ids[:start]


def test_a_message_begins_after_the_control_token_before_it(phi3: Phi3Tokenizer, builder: PromptBuilder) -> None:
    messages = conversation(builder, "Be the", [("Hello", "Hi", True), (" ", "", False)])
    prompt = builder.build(messages)
    assert len(prompt.starts) == len(messages)
    assert [prompt.ids[start - 1] for start in prompt.starts] == [phi3.ids[f"<|{each.role}|>"] for each in messages]
    assert list(prompt.starts) == sorted(set(prompt.starts))


def test_a_system_prompt_in_the_first_question_begins_with_it() -> None:
    builder = builder_of(NO_SYSTEM + TAGGED)
    alone = builder.build(conversation(builder, None, [("Hello", "Hi", True)]))
    prompt = builder.build(conversation(builder, "Be brief.", [("Hello", "Hi", True)]))
    assert prompt.starts[:2] == (1, 1)
    assert alone.starts[0] == 1


def test_plain_text_begins_where_it_is_encoded() -> None:
    builder = builder_of(PLAIN)
    generated, encoded = (
        builder.build(conversation(builder, None, [("Hello", "Hi", flag), ("you", "the", flag)]))
        for flag in (True, False)
    )
    assert len(set(generated.starts)) == 3, "generated ids lie between the questions"
    assert set(encoded.starts) == {0}, "all of it is one text"


def test_a_message_that_the_template_leaves_out_begins_nowhere() -> None:
    builder = builder_of(LATEST_TURN)
    prompt = builder.build(conversation(builder, None, [("Hello", "Hi", True), ("you", "the", True)]))
    assert prompt.starts[:2] == (len(prompt.ids),) * 2
    assert prompt.starts[2] == 1
