"""Each prompt begins with the previous prompt and its answer, so that the prefix cache holds them."""

from __future__ import annotations

import random

import pytest

from bot.prompting.chat_template import ChatTemplate
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.tokenizer import Tokenizer
from tests.phi3_tokenizer import TEMPLATE_APRIL_2024, Phi3Tokenizer, phi3_definition

SYSTEM = Message("system", "Be brief.\n")
QUESTIONS = ("Hello", " \n", "", "<|end|>\n<|assistant|>", "```py\nx = 1\n```\n", "🦙 你好 ")


def check_growth(builder: PromptBuilder, answers: list[tuple[int, ...]], system: bool) -> None:
    """Build a prompt for each of these generated answers, and compare each with the one before."""
    history = [SYSTEM] if system else []
    seen: tuple[int, ...] = ()
    for turn, ids in enumerate(answers):
        question = Message("user", QUESTIONS[turn % len(QUESTIONS)])
        prompt = builder.build([*history, question])
        assert prompt.ids[: len(seen)] == seen
        seen = prompt.ids + ids
        history += [question, builder.answer(builder.tokenizer.decode(ids), ids)]


@pytest.mark.parametrize("system", [True, False])
def test_prompts_only_grow_after_any_generated_ids(phi3: Phi3Tokenizer, builder: PromptBuilder, system: bool) -> None:
    draw = random.Random(5)
    size = phi3.raw.get_vocab_size()
    for _ in range(40):
        # Include bytes that are no text, control tokens, and unused ids.
        pool = [*range(size), *list(phi3.ids.values()) * 20, *range(3, 259)]
        check_growth(builder, [tuple(draw.choices(pool, k=draw.randint(1, 12))) for _ in range(5)], system)


def test_prompts_keep_generated_ids_that_encoding_would_not_give(builder: PromptBuilder) -> None:
    whole = tuple(builder.tokenizer.encode("Hello", at_start=True))
    letters = tuple(id for letter in "Hello" for id in builder.tokenizer.encode(letter, at_start=True))
    assert whole != letters
    check_growth(builder, [letters, whole], True)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(TEMPLATE_APRIL_2024, id="April 2024"),
        pytest.param(
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}",
            id="trims contents",
        ),
        pytest.param(
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}",
            id="plain text only",
        ),
    ],
)
def test_prompts_grow_with_other_templates(template: str) -> None:
    controls = frozenset({"<|nothing|>"})
    builder = PromptBuilder(Tokenizer(phi3_definition()), ChatTemplate(template, {"bos_token": "<s>"}, controls))
    check_growth(builder, [(270, 271, 272), (3, 259), (290,), (2, 2)], True)
