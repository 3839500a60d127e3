"""What a reader sees of an answer does not depend on where it is cut."""

from __future__ import annotations

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.discord_client.replies.splitting import plan_reply
from tests.discord_client.replies.discord_markdown import drawn
from tests.discord_client.replies.model_texts import MODEL_TEXTS
from tests.discord_client.replies.split_text import split_text

UNCUT = 10**9


@settings(max_examples=120, deadline=None)
@given(text=MODEL_TEXTS, limit=st.sampled_from([250, 400, 2000]))
def test_all_messages_together_show_what_one_long_message_would(text: str, limit: int) -> None:
    [whole] = split_text(text, UNCUT)
    messages = split_text(text, limit)
    assert all(1 <= len(message) <= limit and message == message.strip() for message in messages)
    assert list(chain.from_iterable(map(drawn, messages))) == drawn(whole)


@settings(max_examples=50, deadline=None)
@given(
    text=MODEL_TEXTS,
    note=st.sampled_from(["Stopped.", "I did not read `a_b_.txt` *or* **c** ||d||."]),
    part=st.floats(0.1, 1),
)
def test_a_note_is_drawn_alike_below_any_text(text: str, note: str, part: float) -> None:
    text = text[: int(len(text) * part)].strip() or "Yes."
    last = plan_reply(text, note=note, max_messages=1000, finished=True).bodies[-1]
    assert last.endswith(f"-# {note}")
    expected = drawn(f"-# {note}")
    assert drawn(last)[-len(expected) :] == expected


@settings(max_examples=30, deadline=None)
@given(text=MODEL_TEXTS, steps=st.lists(st.integers(1, 900), max_size=12))
def test_a_growing_spoiler_never_shows_its_secret(text: str, steps: list[int]) -> None:
    secret = "hidden " * 400
    text = f"{text}\n\nThe end: ||{secret.strip()}||"
    end = text.index("||hidden")
    for step in steps:
        end = min(len(text), end + step)
        for message in plan_reply(text[:end], max_messages=1000, finished=False).bodies:
            for position in find_all("hidden", drawn(message)):
                assert "spoiler" in position


def find_all(word: str, characters: list[tuple[str, frozenset[str]]]) -> list[frozenset[str]]:
    """The styles of each whole occurrence of a word."""
    text = "".join(character for character, _ in characters)
    return [
        frozenset.intersection(*(styles for _, styles in characters[at : at + len(word)]))
        for at in range(len(text))
        if text.startswith(word, at)
    ]
