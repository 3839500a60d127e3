"""Long answers become messages that Discord accepts and members can read."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.discord_client.replies.splitting import MESSAGE_LIMIT, plan_reply
from tests.discord_client.replies.split_text import split_text

FENCE = re.compile(r"`{3,}")
# How Discord recognizes a code block with a language.
OPENING = re.compile(r"```([\w+#.-]*)\n")

PIECES = st.sampled_from(
    [
        *("word ", "word. ", "word\n", "\n\n", "\r\n", " ", "\t", "x" * 700, " " * 900, "\n" * 1200, "你好", "🦙"),
        *("```", "````", "`" * 700, "``", "`", "```py\n", "\n```\n", "```\n", "```js\r\n", "use ``` here ", "```c++"),
        *("    indented\n", "```" + "a" * 40 + "\n", "-# small\n", "\u200b", "# Head\n", "a```b```c"),
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=12), st.lists(st.tuples(PIECES, st.integers(1, 60)).map(lambda p: p[0] * p[1]))
).map(lambda parts: "".join(parts)[:12_000])
WELL_FORMED = st.lists(
    st.one_of(
        st.integers(1, 300).map(lambda n: "Some words of a sentence. " * (n // 8 + 1)),
        st.tuples(st.sampled_from(["", "py", "c++"]), st.integers(1, 120)).map(
            lambda block: f"\n```{block[0]}\n" + "\n".join(f"    line_{n}(x)" for n in range(block[1])) + "\n```\n"
        ),
        st.just("\n\n"),
    ),
    max_size=9,
).map("".join)


def without_marks(text: str) -> str:
    """The text without white space, fences and languages: no message may lose any of it."""
    return re.sub(r"\s+", "", FENCE.sub("", OPENING.sub("", text.replace("\r", ""))))


def is_balanced(body: str) -> bool:
    return body.count("```") % 2 == 0


@settings(max_examples=250, deadline=2000)
@given(text=TEXTS, limit=st.sampled_from([100, 137, 2000]))
def test_discord_accepts_every_message(text: str, limit: int) -> None:
    bodies = split_text(text, limit)
    assert bool(bodies) == bool(text.strip())
    for body in bodies:
        assert 1 <= len(body) <= limit
        assert body.strip()


@pytest.mark.parametrize("cluster", ["🇩🇪", "👨\u200d👩\u200d👧", "e\u0301", "👍🏽"])
@pytest.mark.parametrize("before", range(9))
def test_a_character_of_several_code_points_is_never_torn(cluster: str, before: int) -> None:
    text = "x" * before + cluster * 2000
    bodies = split_text(text)
    assert "".join(bodies) == text
    assert all(not body.lstrip("x").replace(cluster, "") for body in bodies)
    [noted] = plan_reply("text", note=text, max_messages=1, finished=True).bodies
    assert noted.endswith(cluster)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("before", ["", "hello ", "```\n", "\u0600" * 29])
def test_a_cluster_that_reaches_into_a_run_of_backticks_is_cut_once(before: str) -> None:
    text = f"{before}\u0600{'`' * 4000}"
    assert all(1 <= len(body) <= MESSAGE_LIMIT for body in split_text(text))


@settings(max_examples=150, deadline=2000)
@given(text=TEXTS.filter(lambda text: "`" not in text), limit=st.sampled_from([100, 2000]))
def test_only_white_space_at_a_cut_is_lost(text: str, limit: int) -> None:
    remaining = text.replace("\r\n", "\n").lstrip()
    for body in split_text(text, limit):
        assert remaining.startswith(body)
        remaining = remaining[len(body) :].lstrip()
    assert not remaining


@settings(max_examples=150, deadline=2000)
@given(text=WELL_FORMED, limit=st.sampled_from([150, 2000]))
def test_code_stays_whole_and_keeps_its_language(text: str, limit: int) -> None:
    bodies = split_text(text, limit)
    assert without_marks("".join(bodies)) == without_marks(text)
    # Each line with its indentation, under the language of its block.
    assert list(itertools.chain.from_iterable(map(code_lines, bodies))) == code_lines(text)


def code_lines(text: str) -> list[tuple[str, str]]:
    language = None
    lines = []
    for line in text.split("\n"):
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language is not None:
            lines.append((language, line))
    return lines


@given(text=WELL_FORMED.map(str.strip).filter(lambda text: 0 < len(text) <= MESSAGE_LIMIT))
def test_a_text_that_fits_keeps_its_words(text: str) -> None:
    [message] = split_text(text)
    assert message.split() == text.split()


@settings(max_examples=60)
@given(
    # A mark of a thousand backticks fills messages before it is known what it means.
    text=st.one_of(TEXTS, WELL_FORMED).filter(lambda text: "`" * 500 not in text),
    steps=st.lists(st.integers(1, 2500), max_size=8),
)
def test_a_growing_text_changes_only_its_last_message(text: str, steps: list[int]) -> None:
    assume(not re.search("`{3}[^`\n]{200}", text))  # a message may end in a fence's line, and be no code until it ends
    settled: list[str] = []
    for end in itertools.accumulate(steps):
        bodies = list(plan_reply(text[:end], max_messages=1000, finished=False).bodies)
        assert bodies[: len(settled)] == settled
        settled = bodies[:-1]


@settings(max_examples=150, deadline=2000)
@given(
    text=st.one_of(TEXTS, WELL_FORMED),
    note=st.sampled_from(["", "Stopped.", "one\ntwo\n\nthree", "x" * 5000, "Not `this`."]),
    max_messages=st.integers(1, 4),
    finished=st.booleans(),
)
def test_a_plan_keeps_every_limit(text: str, note: str, max_messages: int, finished: bool) -> None:
    plan = plan_reply(text, note=note, max_messages=max_messages, finished=finished)
    assert len(plan.bodies) <= max_messages
    assert bool(plan.bodies) == bool(text.strip() or note)
    for body in plan.bodies:
        assert 1 <= len(body) <= MESSAGE_LIMIT
        assert body.strip()
    if note and finished and plan.bodies:
        assert " ".join(note.split())[:400] in plan.bodies[-1].replace("\n-# ", "")
    if plan.attachment is not None:
        assert finished
        assert plan.attachment.removesuffix("\n```") in (text.strip(), text.strip().removesuffix("\n```"))
    if finished and len(plan_reply(text, note=note, max_messages=1000, finished=True).bodies) > max_messages:
        assert plan.attachment is not None


# ------------------------------------------------------------------ examples


def test_a_cut_prefers_a_paragraph_then_a_line_then_a_sentence_then_a_word() -> None:
    start = "a" * 1200
    breaks = ["\n\nparagraph", "\nline", ". Sentence", " word"]
    for used in range(len(breaks)):
        text = start + "".join(breaks[used:]) + "b" * 1500
        first, second, *_ = split_text(text)
        assert first.rstrip(".") == start
        assert second.startswith(breaks[used].strip(". \n"))


def test_an_early_paragraph_is_not_cut() -> None:
    first, *_ = split_text("short\n\n" + "word " * 600)
    assert len(first) > 1900


def test_a_text_without_spaces_is_cut_at_the_limit() -> None:
    bodies = split_text("x" * 5000)
    assert "".join(bodies) == "x" * 5000
    assert len(bodies) == 3


def test_a_long_code_block_is_opened_again_with_its_language() -> None:
    code = "\n".join(f"    total += value_{number}" for number in range(260))
    assert len(code) > 5000
    bodies = split_text(f"Here:\n```python\n{code}\n```\nDone.")
    assert len(bodies) == 3
    assert bodies[0].startswith("Here:\n```python\n    total += value_0\n")
    for body in bodies[1:]:
        assert body.startswith("```python\n    total += value_")
    for body in bodies[:-1]:
        assert body.endswith("\n```")
    assert bodies[-1].endswith("\n```\nDone.")


def test_windows_line_ends_do_not_lose_the_language() -> None:
    bodies = split_text("```python\r\n" + "x = 1\r\n" * 500 + "```")
    assert all(body.startswith("```python") for body in bodies)


def test_a_code_block_that_begins_at_the_cut_moves_to_the_next_message() -> None:
    prose = "word " * 396
    assert len(f"{prose}\n```python\n") == MESSAGE_LIMIT - 9
    first, second = split_text(f"{prose}\n```python\n" + "x = 1\n" * 20 + "```")
    assert first == prose.strip()
    assert second.startswith("```python\nx = 1\n")


@pytest.mark.parametrize("length", range(1960, 2010))
def test_a_code_block_that_ends_at_the_cut_leaves_no_empty_block(length: int) -> None:
    code = ("x = 1\n" * 400)[: length - 7].rstrip()
    for text in (
        f"```py\n{code}\n```",
        f"```py\n{code}\n```\nThat is it.",
        f"```py\n{code}\n\n\n```\n" + "word " * 500,
    ):
        bodies = split_text(text)
        assert not any(re.search(r"```\w*\s*```", body) for body in bodies)
        assert without_marks("".join(bodies)) == without_marks(text)


@pytest.mark.parametrize("length", [1996, 1997, 1998, 1999, 2000])
def test_a_message_may_be_as_long_as_discord_accepts(length: int) -> None:
    text = ("word " * 400)[: length - 1] + "x"
    assert split_text(text) == [text]


@pytest.mark.parametrize("count", [3, 4, 5, 1999, 2000, 2001, 5000])
def test_backticks_alone_are_split(count: int) -> None:
    for body in split_text("`" * count):
        assert len(body) <= MESSAGE_LIMIT


@pytest.mark.parametrize("position", range(1985, 2003))
def test_backticks_at_the_limit_stay_together(position: int) -> None:
    text = "x" * position + "```" + "code" * 30 + "```" + "y" * 3000
    bodies = split_text(text)
    assert all(is_balanced(body) for body in bodies)
    assert without_marks("".join(bodies)) == without_marks(text)


def test_an_answer_too_long_for_its_messages_is_attached_whole() -> None:
    text = "A sentence of it. " * 500
    plan = plan_reply(text, note="Stopped.", max_messages=2, finished=True)
    assert len(plan.bodies) == 2
    assert plan.attachment == text.strip()
    assert plan.bodies[-1].endswith("attached file.\n-# Stopped.")


def test_a_growing_answer_too_long_for_its_messages_ends_in_an_ellipsis() -> None:
    plan = plan_reply("A sentence of it. " * 500, max_messages=2, finished=False)
    assert plan.attachment is None
    assert plan.bodies[-1].endswith(" …")


def test_a_note_follows_the_code_block_that_it_cut_off() -> None:
    plan = plan_reply("```py\nx = ", note="Stopped.", max_messages=3, finished=True)
    assert plan.bodies == ("```py\nx =\n```\n-# Stopped.",)


def test_a_note_alone_is_a_message() -> None:
    assert plan_reply(" \n", note="Stopped.", max_messages=1, finished=True).bodies == ("Stopped.",)
    assert plan_reply("", max_messages=1, finished=True).bodies == ()


def test_a_note_of_many_lines_keeps_whole_lines() -> None:
    lines = ["Long. " * 60, "Ask. " * 90, "Long. " * 60, "Ask a moderator."]
    [body] = plan_reply("Yes.", note="\n".join(lines), max_messages=1, finished=True).bodies
    assert body == f"Yes.\n-# {lines[0]}{lines[1]}{lines[3]}"
