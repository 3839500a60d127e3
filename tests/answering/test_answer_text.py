"""A thought never reaches the answer, however its marks arrive; and nothing else is taken for a thought."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.answering.answer_text import AnswerText
from bot.prompting.prompt import PromptBuilder
from tests.thinking_models import ids_of, thinking_builder, thinking_template

TOKENS = ("<think>", "</think>")
KINDS = ("plain text", "tokens", "special tokens")


@pytest.fixture(scope="module")
def builders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], PromptBuilder]:
    """By how the marks are written, and by whether the prompt begins the thought."""

    def folder() -> Path:
        return tmp_path_factory.mktemp("thinking")

    return {
        (kind, begun): thinking_builder(
            folder(),
            thinking_template(begun_by_prompt=begun),
            () if kind == "plain text" else TOKENS,
            special=kind == "special tokens",
        )
        for kind in KINDS
        for begun in (False, True)
    }


Builders = dict[tuple[str, bool], PromptBuilder]


def stream(builder: PromptBuilder, pieces: Sequence[Sequence[int]]) -> tuple[AnswerText, list[str]]:
    """Read all pieces; return the end, and each text on the way and at the end."""
    answer = AnswerText(builder)
    texts = [answer.add(ids) for ids in pieces]
    return answer, [*texts, answer.finish()]


def letters(text: str) -> str:
    """A text without white space: a tokenizer of Phi-3's kind begins every encoded piece with a space."""
    return "".join(text.split())


def generated(builder: PromptBuilder, text: str, *, begun: bool) -> list[int]:
    """The ids of an answer with its thought; the prompt may have written the first mark."""
    return ids_of(builder, text.removeprefix("<think>") if begun else text)


WORDS = st.text("ab\n <>/`é🦙", max_size=12)
PLAIN = WORDS.map(lambda text: text.replace("<", "(").lstrip())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begun", [False, True])
@settings(max_examples=30)
@given(thoughts=st.lists(WORDS, min_size=1, max_size=3), answer=PLAIN, size=st.integers(1, 9))
@example(thoughts=[""], answer="Paris.", size=1)
@example(thoughts=["\n<think> is a mark, and so is </thin\n"], answer="<", size=1)
@example(thoughts=["a"], answer="`</think>` ends <think>.", size=1)
@example(thoughts=["a"], answer="🦙", size=1)
def test_only_the_answer_is_left(
    builders: Builders, kind: str, begun: bool, thoughts: list[str], answer: str, size: int
) -> None:
    builder = builders[kind, begun]
    ids = generated(builder, "".join(f"<think>{thought}</think>\n\n" for thought in thoughts) + answer, begun=begun)
    end, texts = stream(builder, [ids[start : start + size] for start in range(0, len(ids), size)])
    if kind == "special tokens":  # which are never shown
        answer = answer.replace("<think>", "").replace("</think>", "")
    assert letters(end.text) == letters(answer)
    assert end.text == end.text.lstrip()
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert end.has_thought
    assert not end.is_thinking
    assert letters(end.thought) == letters("".join(thoughts))
    assert end.message.content == end.text
    assert end.message.ids is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("thought", ["", "a", "a<", "a</think", "a\n</ think>", "🦙 a </THINK>"])
def test_an_unfinished_thought_is_no_answer(builders: Builders, kind: str, begun: bool, thought: str) -> None:
    builder = builders[kind, begun]
    end, texts = stream(builder, [[id] for id in generated(builder, f"<think>{thought}", begun=begun)])
    assert set(texts) == {""}
    assert end.is_thinking
    assert end.thought == thought.strip()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "",
        "\n",
        "<",
        "<thin",
        "<thinking about it>",
        "The tag is <think>.",
        "`<think>` begins a thought, `</think>` ends it.",
        "```\n<think>\nHm.\n</think>\n```",
        "</think>",
        "a <think>b</think> c",
    ],
)
def test_what_is_no_thought_stays(builders: Builders, kind: str, text: str) -> None:
    builder = builders[kind, False]
    ids = builder.tokenizer.encode(text)
    end, texts = stream(builder, [[id] for id in ids])
    assert end.text == builder.tokenizer.decode(ids)
    assert texts[-1] == end.text
    assert not end.has_thought
    assert end.message.ids == tuple(ids)


def test_a_mark_inside_an_answer_is_text_like_any_other(builders: Builders) -> None:
    builder = builders["tokens", False]
    ids = ids_of(builder, "The tag is <think>.")
    end, _ = stream(builder, [ids])
    assert end.text == builder.tokenizer.decode(ids)
    assert "<think>" in end.text
