"""Code that models fence in any way is drawn as code, and nothing else is."""

from __future__ import annotations

import pytest

from bot.discord_client.replies.splitting import plan_reply
from tests.discord_client.replies.discord_markdown import drawn
from tests.discord_client.replies.split_text import split_text


def code(message: str) -> str:
    """What is drawn in code blocks, without white space."""
    return "".join(c for c, styles in drawn(message) if any(style.startswith("block") for style in styles))


def prose(message: str) -> str:
    return "".join(c for c, styles in drawn(message) if not any(style.startswith("block") for style in styles))


@pytest.mark.parametrize(
    "block",
    [
        "```py\nx = 1\n```",
        "~~~py\nx = 1\n~~~",
        "````py\nx = 1\n````",
        '```py title="a.py"\nx = 1\n```',
        "   ```py\n   x = 1\n   ```",
        "```py\r\nx = 1\r\n```",
        "```py\nx = 1```",
        "```py\n\n\nx = 1\n\n```",
        "- ```py\n  x = 1\n  ```",
    ],
)
def test_each_kind_of_fence(block: str) -> None:
    [message] = split_text(f"Before:\n{block}\nAfter")
    assert "```py\nx = 1\n```\nAfter" in message
    assert code(message) == "x=1"


@pytest.mark.parametrize("before", ["Here is the code: ", "代码：", "Do this.\n1. "])  # noqa: RUF001
def test_a_fence_behind_a_text(before: str) -> None:
    [message] = split_text(f"{before}```\nx = 1\n```\nAfter")
    assert code(message) == "x=1"


def test_a_block_in_a_list_may_have_blank_lines() -> None:
    [message] = split_text("1. One\n   ```py\n   if x:\n\n       y\n   ```\n2. Two")
    assert message == "1. One\n```py\nif x:\n\n    y\n```\n2. Two"


@pytest.mark.parametrize(
    "text",
    [
        "````markdown\n# Title\n```sh\nls\n```\nEnd\n````\nAfter",
        "```markdown\n# Title\n```sh\nls\n```\nEnd\n```\nAfter",
        "~~~markdown\n# Title\n```sh\nls\n```\nEnd\n~~~\nAfter",
    ],
)
def test_a_block_inside_a_markdown_block(text: str) -> None:
    [message] = split_text(text)
    assert code(message) == "#Title```shls```End"
    assert prose(message) == "After"


def test_a_block_of_four_backticks_is_cut_like_any() -> None:
    text = "````markdown\n" + "```sh\nls\n```\n" * 500 + "````\nAfter"
    messages = split_text(text)
    assert len(messages) > 2
    assert "".join(map(code, messages)) == "```shls```" * 500
    assert "".join(map(prose, messages)) == "After"


@pytest.mark.parametrize(
    "text",
    [
        "Type ``` to begin.\n\nThen *write*.\n\n```py\nx = 1\n```\nAfter",
        "Use ```\nand more.\n\n```py\nx = 1\n```\nAfter",
        "A lone ` and *star and **two\n```py\nx = 1 ** 2 * 3 ` 4\n```\nAfter",
    ],
)
def test_a_lone_mark_does_not_reach_into_code(text: str) -> None:
    [message] = split_text(text)
    expected = text.split("```py\n")[1].split("\n```")[0]
    assert code(message) == "".join(expected.split())
    assert prose(message).endswith("After")


def test_a_lone_fence_is_no_code_once_the_answer_is_complete() -> None:
    text = "Fences look like this\n```\nand are easy. " + "They are **everywhere**. " * 200
    messages = plan_reply(text, max_messages=9, finished=True).bodies
    assert "".join(map(code, messages)) == ""
    assert "".join(map(prose, messages)).startswith("Fenceslooklikethis```andareeasy.Theyareeverywhere.")


@pytest.mark.parametrize("text", ["One.\n\n~~~\n\nTwo.\n\n~~~\n\nThree.", "```py\nx\n```\n```\n\nThen *so*."])
def test_tildes_between_paragraphs_and_a_fence_too_many_are_no_code(text: str) -> None:
    [message] = split_text(text)
    assert code(message) == ("x" if "x" in text else "")


def test_what_follows_a_fence_and_is_no_language_is_the_first_line_of_code() -> None:
    assert split_text("```{.python}\nx = 1\n```") == ["```\n{.python}\nx = 1\n```"]
    assert split_text("```two words\nx = 1\n```") == ["```\ntwo words\nx = 1\n```"]
    assert split_text('```py title="a.py"\nx = 1\n```') == ["```py\nx = 1\n```"]


def test_a_remark_below_a_lone_fence_makes_no_code_of_it() -> None:
    text = "Fences look like\n```\nand are easy."
    [message] = plan_reply(text, note="I cannot see cat.png.", max_messages=1, finished=True).bodies
    assert prose(message).startswith("Fenceslooklike```andareeasy.")


def test_code_that_is_cut_off_is_code() -> None:
    for before in ("Like this:", "# Example"):
        plan = plan_reply(f"{before}\n```\nx = 1", note="Stopped.", max_messages=9, finished=True, cut_off=True)
        [message] = plan.bodies
        assert message == f"{before}\n```\nx = 1\n```\n-# Stopped."


def test_an_empty_block_is_left_out() -> None:
    assert split_text("Here:\n```py\n```\nDone") == ["Here:\nDone"]
    assert plan_reply("Here:\n```py", max_messages=1, finished=False).bodies == ("Here:",)


def test_a_fence_that_is_half_written_is_not_shown() -> None:
    for end in ("", "\n`", "\n``", "\n```"):
        assert plan_reply(f"```py\nx = 1{end}", max_messages=1, finished=False).bodies == ("```py\nx = 1\n```",)


def test_code_in_a_quote_stays_in_it() -> None:
    text = "> Look:\n> ```py\n" + "> some_call(1)\n" * 200 + "> ```\n> Done"
    messages = split_text(text)
    assert len(messages) == 2
    assert all("quote" in styles for message in messages for _, styles in drawn(message))
    assert "".join(map(code, messages)) == "some_call(1)" * 200
