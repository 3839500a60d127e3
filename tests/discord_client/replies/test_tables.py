"""Tables, which Discord does not draw, can be read."""

from __future__ import annotations

import pytest

from bot.discord_client.replies.splitting import plan_reply
from tests.discord_client.replies.discord_markdown import drawn
from tests.discord_client.replies.split_text import split_text


def test_a_table_becomes_aligned_code() -> None:
    [message] = split_text(
        "Prices:\n\n| Fruit | Price |\n|:--|--:|\n| **Apple** | 3 |\n| [Fig](https://f.io) | 12 |\n\nEnd"
    )
    assert message == (
        "Prices:\n\n```\n"
        "Fruit              | Price\n"
        "-------------------|------\n"
        "Apple              |     3\n"
        "Fig (https://f.io) |    12\n"
        "```\n\nEnd"
    )


def test_wide_characters_take_two_columns() -> None:
    [message] = split_text("| 名字 | b |\n|---|---|\n| e\u0301 | 1 |")
    assert message == "```\n名字 | b\n-----|----\ne\u0301    | 1\n```"


@pytest.mark.parametrize("emoji", ["✅", "❤\ufe0f", "🇩🇪", "👍🏽", "👨\u200d👩\u200d👧", "1\ufe0f\u20e3"])
def test_an_emoji_takes_two_columns_however_many_characters_it_has(emoji: str) -> None:
    [message] = split_text(f"| abcd | b |\n|---|---|\n| {emoji} | 1 |")
    assert message.splitlines()[3] == f"{emoji}   | 1"


@pytest.mark.parametrize("row", [r"| `a\|b` | c\|d |", "| `a|b` | c\\|d |"])
def test_pipes_in_cells(row: str) -> None:
    [message] = split_text(f"| x | y |\n|---|---|\n{row}")
    assert message.endswith("a|b | c|d\n```")


def test_a_short_row_is_filled_and_a_long_one_cut() -> None:
    [message] = split_text("a | b\n--|--\n1\\|\n1 | 2 | 3")
    assert message.splitlines()[3:5] == ["1|  |", "1   | 2"]


def test_a_wide_table_becomes_a_list() -> None:
    cell = "a long explanation with **bold** words and [a link](https://example.com)"
    [message] = split_text(f"| Name | What | Why |\n|--|--|--|\n| One | {cell} | |\n| Two | {cell} | because |")
    assert message == (f"- Name: One\n  - What: {cell}\n- Name: Two\n  - What: {cell}\n  - Why: because")


def test_a_spoiler_in_a_table_stays_hidden() -> None:
    [message] = split_text("| Who | Secret |\n|--|--|\n| Ann | ||she did it|| |")
    assert "".join(c for c, styles in drawn(message) if "spoiler" in styles) == "shedidit"


def test_a_table_in_a_quote_stays_in_it() -> None:
    [message] = split_text("> Look:\n> | a | b |\n> |---|---|\n> | 1 | 2 |\n> Done\n\nEnd")
    assert message == "> Look:\n> ```\n> a   | b\n> ----|----\n> 1   | 2\n> ```\n> Done\n\nEnd"


@pytest.mark.parametrize(
    "text",
    [
        "```\n| a | b |\n|---|---|\n```",
        "| a | b |\nno table",
        "a or b\n---",
        "| a | b |\n|---|---|---|",
        "choose a | b\n\n- one",
    ],
)
def test_what_is_no_table_stays(text: str) -> None:
    assert split_text(text) == [text]


def test_a_growing_table_is_drawn_as_one_from_its_delimiter_on() -> None:
    text = "| Name | Age |\n|:--|--:|\n| Ann | 30 |\n| Bob | 5 |\n"
    whole = text.index("--:|") + len("--:|")
    for end in range(whole, len(text) + 1):
        [message] = plan_reply(text[:end], max_messages=1, finished=False).bodies
        assert message.startswith("```\nName | Age\n-----|----")
        assert message.endswith("\n```")


def test_the_head_of_a_table_is_not_cut_from_its_first_row() -> None:
    table = "| Name | Age |\n|---|---|\n" + "| Ann | 30 |\n" * 8
    for length in range(1900, 2000, 7):
        messages = split_text("word " * (length // 5) + "\n" + table)
        assert "Name | Age\n-----|----\nAnn  | 30" in messages[-1]


def test_a_table_longer_than_a_message_is_cut_between_rows() -> None:
    rows = [f"| Row {number} | {number} |" for number in range(300)]
    messages = split_text("\n".join(["| Name | Number |", "|--|--|", *rows]))
    assert len(messages) > 2
    lines = [line for message in messages for line in message.splitlines() if "Row" in line]
    assert [line.split("|")[0].strip() for line in lines] == [f"Row {number}" for number in range(300)]
    assert all(message.startswith("```\n") and message.endswith("\n```") for message in messages)
