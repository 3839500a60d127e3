"""File names in the bot's own texts: short, whole, and nothing but names."""

from __future__ import annotations

import discord
import pytest

from bot.discord_client.incoming.file_names import listed

FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\u200d\N{BOY}"


def test_several_names_are_one_list_and_many_are_counted() -> None:
    assert listed(["a.txt"]) == "a.txt"
    assert listed(["a.txt", "b.txt"]) == "a.txt and b.txt"
    assert listed(list("abcde")) == "a, b, c, d and e"
    assert listed(list("abcdefghij")) == "a, b, c, d and 6 more"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 43 + "…" + "x" * 16),
        ("x" * 250 + ".tar.gz", "x" * 43 + "…" + "x" * 9 + ".tar.gz"),
        (FAMILY * 30 + ".txt", FAMILY * 5 + "…" + FAMILY * 2 + ".txt"),
        ("e\u0301" * 100, "e\u0301" * 21 + "…" + "e\u0301" * 8),
    ],
)
def test_a_long_name_keeps_its_end_and_no_character_is_torn(name: str, shown: str) -> None:
    assert listed([name]) == shown
    assert len(shown) <= 60


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("**a**_b_~c~|d|`e`", r"\*\*a\*\*\_b\_\~c\~\|d\|\`e\`"),
        ("[*a*](b)[c](d)", r"\[\*a\*](b)\[c](d)"),
        (r"a\*b", r"a\\\*b"),
        ("https://example.org", r"https:\//example.org"),
        ("<#12><:a:1><t:0></a:1>", r"\<#12>\<:a:1>\<t:0>\</a:1>"),
        ("a\u202egnp.txt\nb\u2066\x00", "a gnp.txt b  "),
    ],
)
def test_a_name_formats_nothing(name: str, shown: str) -> None:
    assert listed([name]) == shown


@pytest.mark.parametrize("name", ["@everyone", "@here", "<@123456789012345678>", "<@&123456789012345678>"])
def test_a_name_mentions_nobody(name: str) -> None:
    assert name not in listed([name])
    assert discord.utils.escape_mentions(listed([name])) == listed([name])


def test_ten_names_of_the_worst_kind_fit_into_a_message() -> None:
    assert len(listed(["*" * 260] * 10)) < 500
