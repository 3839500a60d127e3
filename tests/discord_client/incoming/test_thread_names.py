"""A thread is named after a question, in one line without markup and mentions."""

from __future__ import annotations

import pytest

from bot.discord_client.incoming.thread_names import name_of_question, thread_name, title_from
from tests.discord_client.stage import Stage


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What is the capital of France?", "What is the capital of France?"),
        ("  What is\n\nthe  capital?\t", "What is the capital?"),
        ("**Bold**, *italic*, __under__, ~~gone~~ and `code`", "Bold, italic, under, gone and code"),
        ("Why does\n```python\nprint(1)\n``` print?", "Why does print(1) print?"),
        ("# Heading\n> quoted\n- item", "Heading quoted item"),
        ("See [the page](https://example.org/a) now", "See the page now"),
        ("The killer is ||the butler||", "The killer is …"),
        ("snake_case and 2 * 3 * 4", "snake_case and 2 * 3 * 4"),
        ("@everyone look, and mail me@example.org", "everyone look, and mail me@example.org"),
        ("a\u202eb\u0000c\ufeff", "a b c"),
        ("👩‍👩‍👧 and é", "👩‍👩‍👧 and é"),
        ("", ""),
        ("\u200b \u2060", ""),
    ],
)
def test_a_name_is_one_line_of_words(text: str, name: str) -> None:
    assert thread_name(text) == name


@pytest.mark.parametrize(
    ("text", "end"),
    [("word " * 40, "word…"), ("x" * 200, "x…"), ("👩‍👩‍👧" * 40, "👧…"), ("e\u0301" * 100, "e\u0301…")],
    ids=["words", "one word", "emoji", "accents"],
)
def test_a_long_name_ends_between_words_or_else_characters(text: str, end: str) -> None:
    name = thread_name(text)
    assert len(name) <= 100
    assert name.endswith(end)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Capitals of Europe", "Capitals of Europe"),
        ('"Capitals of Europe."', "Capitals of Europe"),
        ("**Title:** Capitals\n\nIt is about capitals.", "Capitals"),
        ("title: “Capitals”", "Capitals"),
        ("\n\n# Capitals", "Capitals"),
        ("C++ und Größe?", "C++ und Größe?"),
        ("", ""),
        ("***", ""),
        ("A title that goes on and on because the model did not understand that it was to be a short one", ""),
    ],
)
def test_a_title_is_what_the_model_wrote_in_its_first_line(text: str, title: str) -> None:
    assert title_from(text) == title


@pytest.mark.asyncio(loop_scope="session")
async def test_a_question_without_words_is_named_after_its_file_or_its_author(stage: Stage) -> None:
    bot, mention = stage.server.bot.id, f"<@{stage.server.bot.id}>"
    for content, files, name in (
        (f"{mention} How are <@{stage.person('Ada')}> and **you**?", [], "How are Ada and you?"),
        (mention, [("notes.txt", b"Hello")], "notes.txt"),
        (mention, [], "Question by Grace"),
    ):
        message = await stage.say(content, files=files)
        assert name_of_question(message, bot) == name
