"""Messages end where a reader would end them."""

from __future__ import annotations

import time

import pytest

from bot.discord_client.replies.splitting import plan_reply
from tests.discord_client.replies.discord_markdown import drawn
from tests.discord_client.replies.split_text import split_text

WORDS = "word " * 380
MARKS = ("*", "**a ", "*a ", "_a ", "`a ", "```a ", "||", "[a](", "<", "\\", "*_~|`", "**a _b ")
LINES = ("> ", "- ", "# ", "```\n", "|-", "|a|b|\n|-|-|\n")


@pytest.mark.parametrize(
    "span",
    [
        "**a bold part of some length**",
        "*an italic part of some length*",
        "__an underlined part of some length__",
        "~~a struck part of some length~~",
        "||a secret of some length||",
        "`some code of some length`",
        "[a link of some length](https://example.com/a/long/path)",
        "https://example.com/a/long/path/to/something",
        "<https://example.com/a/long/path/to/something>",
        "<@123456789012345678>",
        "<:emoji_name:123456789012345678>",
    ],
)
@pytest.mark.parametrize("offset", range(60, 100, 3))
def test_what_fits_into_the_next_message_is_not_cut(span: str, offset: int) -> None:
    text = WORDS + "x" * (offset - 60) + " " + "word " * 14 + span + " word" * 100
    messages = split_text(text)
    assert any(span in message for message in messages)


@pytest.mark.parametrize("mark", ["**", "*", "__", "_", "~~", "||", "`"])
def test_a_style_longer_than_a_message_goes_on_in_the_next(mark: str) -> None:
    messages = split_text(f"{mark}{'word ' * 1000}end{mark} after")
    assert len(messages) == 3
    assert all(message.startswith(mark) for message in messages)
    assert all(message.endswith(f"word{mark}") for message in messages[:-1])
    assert messages[-1].endswith(f"end{mark} after")


def test_code_with_a_backtick_in_it_goes_on_in_the_next_message() -> None:
    for start in range(1, 12):
        messages = split_text(f"``{'x' * start}{' word `' * 700} end``")
        assert all("code" in styles for message in messages for _, styles in drawn(message))


def test_both_parts_of_a_link_lead_to_its_target() -> None:
    messages = split_text(f"[{'word ' * 500}end](https://example.com)")
    assert len(messages) == 2
    assert all(message.startswith("[") and message.endswith("](https://example.com)") for message in messages)


@pytest.mark.parametrize("prefix", ["> ", "# ", "-# "])
def test_a_long_line_keeps_its_kind(prefix: str) -> None:
    messages = split_text(prefix + "A sentence of it. " * 200)
    assert len(messages) == 2
    assert all(message.startswith(f"{prefix}A sentence") for message in messages)


def test_a_quote_to_the_end_goes_on_in_the_next_message() -> None:
    messages = plan_reply(">>> " + "A line of it.\n" * 200, note="Stopped.", max_messages=9, finished=True).bodies
    quoted = [line for message in messages for line in message.splitlines()[:-1]]
    assert all(line == "> A line of it." for line in quoted)
    assert messages[-1].endswith("> A line of it.\n-# Stopped.")


def test_a_heading_stays_with_its_text() -> None:
    for length in range(1940, 2000, 3):
        messages = split_text("x" * (length - 100) + " word\n\n## Heading\n\n" + "Some text follows. " * 30)
        assert any("## Heading\n\nSome text" in message for message in messages)


def test_a_nested_list_keeps_its_depth() -> None:
    text = "- first\n" + "  - nested item with some words\n" * 100 + "- last"
    second = split_text(text)[1]
    assert second.startswith("- nested item")
    assert "\n- nested item" in second
    assert "  - nested" not in second
    assert second.endswith("\n- last")


def test_the_middle_of_a_line_does_not_become_a_list_or_a_heading() -> None:
    for mark in ("- 5", "# 5", "> 5", "1. x", "-# 5", "* 5"):
        for length in range(1990, 2000):
            first = "x" * (length - 1000) + " " + "y" * 998
            messages = split_text(f"{first} {mark} " + "word " * 100)
            assert not any(message.startswith(mark) for message in messages[1:])


@pytest.mark.parametrize("sentence", ["这是一个很长的句子。", "これは長い文です。", "他说「这样很好！」", "真的吗？"])  # noqa: RUF001
def test_chinese_and_japanese_are_cut_behind_sentences(sentence: str) -> None:
    for message in split_text(sentence * 600):
        assert message.endswith(sentence)


def test_chinese_without_sentences_does_not_begin_a_message_with_a_closing_mark() -> None:
    for length in range(1, 12):
        for message in split_text("字" * length + ("字" * 10 + "」") * 500)[1:]:
            assert not message.startswith("」")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("#### Deep", "### Deep"),
        ("> a\n>\n> b", "> a\n> \n> b"),
        ("one\n\n***\n\ntwo **x**", "one\n\n---\n\ntwo **x**"),
        ("![a cat](https://example.com/cat.png)", "[a cat](https://example.com/cat.png)"),
        ("see [https://example.com/a_b](https://example.com/a_b)!", "see https://example.com/a_b!"),
    ],
)
def test_what_discord_draws_otherwise_is_translated(written: str, shown: str) -> None:
    assert split_text(written) == [shown]


def test_the_file_holds_what_the_model_wrote() -> None:
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n\n>>> " + "A sentence of it. " * 400
    assert plan_reply(text, max_messages=1, finished=True).attachment == text.strip()


@pytest.mark.parametrize(
    "open_style", ["**bold", "*it", "||secret", "`code", "~~struck", "- **bold", "> ||secret", "秘密是||秘密"]
)
def test_an_open_style_is_drawn_while_it_grows(open_style: str) -> None:
    [message] = plan_reply(f"Some text\n\n{open_style}", max_messages=1, finished=False).bodies
    assert not set("*|`~") & {c for c, _ in drawn(message)}


@pytest.mark.parametrize("secret", ["the butl", "the butler.\n\nHe had a k"])
def test_a_spoiler_that_was_cut_off_stays_hidden(secret: str) -> None:
    [growing] = plan_reply(f"It was ||{secret}", max_messages=1, finished=False).bodies
    assert growing == f"It was ||{secret}||"
    [message] = plan_reply(f"It was ||{secret}", note="Stopped.", max_messages=1, finished=True).bodies
    assert message == f"It was ||{secret}||\n-# Stopped."


def test_a_growing_spoiler_that_reaches_the_limit_is_closed() -> None:
    text = "The end: ||" + "hidden " * 300
    for length in range(1950, 2010):
        for message in plan_reply(text[:length], max_messages=9, finished=False).bodies:
            assert "hid" not in "".join(c for c, styles in drawn(message) if "spoiler" not in styles)


@pytest.mark.parametrize("end", ["", "```\nThat", "```\n|"])
@pytest.mark.parametrize("finished", [False, True])
def test_a_spoiler_around_code_hides_it_before_it_ends(finished: bool, end: str) -> None:
    text = "The solution:\n||\n```py\n" + "solve(1)\n" * 300 + end
    for message in plan_reply(text, note="Stopped." * finished, max_messages=9, finished=finished).bodies:
        code = [styles for _, styles in drawn(message) if any(style.startswith("block") for style in styles)]
        assert code
        assert all("spoiler" in styles for styles in code)
        assert ("-# Stopped." in message) == message.endswith("\n-# Stopped."), "the note is not hidden"


@pytest.mark.parametrize(
    "operator", ["Use || here:", "Either && or ||: choose.", "Either && or ||\nas you like.", "a||b"]
)
def test_an_operator_hides_nothing(operator: str) -> None:
    for text in (operator, f"{operator}\n```js\nif (a || b) c()\n```\nAfter ||that||"):
        for finished in (False, True):
            [message] = plan_reply(text, max_messages=9, finished=finished).bodies
            hidden = "".join(c for c, styles in drawn(message) if "spoiler" in styles)
            assert hidden == ("that" if "After" in text else "")


@pytest.mark.parametrize("unit", [*MARKS, *LINES])
def test_no_text_takes_long(unit: str) -> None:
    def seconds() -> float:
        began = time.thread_time()
        plan_reply(unit * (20_000 // len(unit)), max_messages=100, finished=True)
        return time.thread_time() - began

    # The quickest of three: a garbage collection of what other tests have left may come in between.
    assert min(seconds() for _ in range(3)) < 1.0
