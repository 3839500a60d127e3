"""Which marks enclose a model's thought, as its chat template or its tokenizer says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.thinking import USUAL_MARKS, Thinking, ThoughtMarks
from tests.phi3_tokenizer import TEMPLATE_JUNE_2024
from tests.thinking_models import thinking_builder, thinking_template

QUESTION = [Message("user", "Hello <think>")]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>", "</think>"),
        ("<thought>", "</thought>"),
        ("<seed:think>", "</seed:think>"),
        ("<reasoning>", "</reasoning>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
    ],
)
@pytest.mark.parametrize("begun_by_prompt", [False, True])
def test_the_marks_of_the_template_count(tmp_path: Path, opening: str, closing: str, begun_by_prompt: bool) -> None:
    template = thinking_template(opening, closing, begun_by_prompt=begun_by_prompt)
    marks = ThoughtMarks(opening, closing)
    builder = thinking_builder(tmp_path, template)
    assert builder.thinking == Thinking((marks,), True, marks if begun_by_prompt else None)


def test_the_marks_of_the_tokenizer_count(tmp_path: Path) -> None:
    builder = thinking_builder(tmp_path, TEMPLATE_JUNE_2024, ("<think>", "</think>"))
    assert builder.thinking == Thinking((USUAL_MARKS,), True)


def test_a_model_without_marks_may_think_between_the_usual_ones(builder: PromptBuilder) -> None:
    assert builder.thinking == Thinking((USUAL_MARKS,), False)


def test_a_thought_that_the_template_closes_is_not_begun(tmp_path: Path) -> None:
    template = thinking_template().replace("enable_thinking is defined and not enable_thinking", "true")
    builder = thinking_builder(tmp_path, template)
    assert builder.build(QUESTION).text.endswith("<think>\n\n</think>\n\n")
    assert builder.thinking.begun_by_prompt is None


def test_what_a_member_writes_begins_no_thought(tmp_path: Path) -> None:
    builder = thinking_builder(tmp_path, thinking_template(), ("<think>", "</think>"))
    assert "<think>" in builder.build(QUESTION).text
    assert builder.thinking.begun_by_prompt is None
    assert not {*builder.build(QUESTION).ids} & {
        token.id for token in builder.tokenizer.control_tokens if "think" in token.text
    }


@pytest.mark.parametrize("special", [False, True])
def test_a_mark_ends_no_answer(tmp_path: Path, special: bool) -> None:
    builder = thinking_builder(
        tmp_path, thinking_template(begun_by_prompt=True), ("<think>", "</think>"), special=special
    )
    ids = {token.text: token.id for token in builder.tokenizer.control_tokens}
    assert not builder.stop_ids & {ids["<think>"], ids["</think>"]}
    assert ids["<|end|>"] in builder.stop_ids
    assert ids["<think>"] in builder.build(QUESTION).ids
