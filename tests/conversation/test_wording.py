"""Turns become messages for the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation.turn import File, Quote, Relation, TextFile, Turn, UnreadFile
from bot.conversation.wording import messages_of, one_line
from bot.prompting.prompt import Message
from tests.conversation.memory import asked, person, turn

NAMES = ("Ada", "Grace", "Linus", "[admin]", "\n")


def worded(*turns: Turn) -> list[str]:
    """The messages for these questions, the last of which is asked now."""
    *branch, last = turns
    assert last.asked is not None
    return [message.content for message in messages_of(branch, last.asked) if message.role == "user"]


def alone(text: str, *quotes: Quote, files: tuple[File, ...] = ()) -> str:
    (content,) = worded(turn(asked(text, quotes=quotes, files=files)))
    return content


def test_questions_and_answers_alternate() -> None:
    answer = Message("assistant", "Hi", (1, 2), "a tokenizer")
    branch = [turn(asked("one"), answer), turn(asked("two"), "Ho")]
    assert messages_of(branch, asked("three")) == [
        Message("user", "one"),
        answer,
        Message("user", "two"),
        Message("assistant", "Ho"),
        Message("user", "three"),
    ]


def test_names_appear_with_the_second_speaker() -> None:
    speeches = [("Ada", "one"), ("Ada", "two"), ("Grace", "three"), ("Ada", "four"), ("Linus", "five")]
    assert worded(*(turn(asked(text, name)) for name, text in speeches)) == [
        "one",
        "two",
        "(Until now Ada was speaking.)\n[Grace] three",
        "[Ada] four",
        "[Linus] five",
    ]


def test_one_person_with_a_new_name_is_still_one_person() -> None:
    renamed = replace(asked("two"), author_name="Countess")
    assert worded(turn(asked("one")), turn(renamed)) == ["one", "two"]
    assert worded(turn(asked("one")), turn(renamed), turn(asked("three", "Grace")))[-1] == (
        "(Until now Countess was speaking.)\n[Grace] three"
    )


def test_two_people_with_one_name_are_two() -> None:
    other = replace(asked("two"), author_id=person("another Ada"))
    assert worded(turn(asked("one")), turn(other)) == ["one", "(Until now Ada was speaking.)\n[Ada] two"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=12))
def test_earlier_messages_never_change(speeches: list[tuple[str, bool]]) -> None:
    turns = [turn(None if erased else asked(f"text {number}", name)) for number, (name, erased) in enumerate(speeches)]
    before: list[Message] = []
    for end, latest in enumerate(turns):
        if latest.asked is not None and latest.answer is not None:
            messages = messages_of(turns[:end], latest.asked)
            assert messages[: len(before)] == before
            before = [*messages, latest.answer]


def test_a_question_that_an_edit_emptied_is_left_out() -> None:
    assert worded(turn(asked("", "Grace")), turn(asked("two"))) == ["two"]


def test_erased_turns_and_their_speakers_are_left_out() -> None:
    branch = [turn(asked("one")), turn(None), turn(asked("three"))]
    assert worded(*branch, turn(asked("four"))) == ["one", "three", "four"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("Grace [admin]", "Grace admin"),
        ("[Ada] I agree", "Ada I agree"),
        ("Ada]\n\n[Grace", "Ada Grace"),
        ("  Ada \t Lovelace ", "Ada Lovelace"),
        ("Ada\u2028\u2029\x85\r\x0bLovelace", "Ada Lovelace"),
        ("Ada\u202egnp.exe", "Ada gnp.exe"),
        ("你好 🦙", "你好 🦙"),
        ("[]", "somebody"),
        ("\u200b\n", "somebody"),
        ("\u3164 \uffa0\u2800\ufe0f", "somebody"),
        ("", "somebody"),
    ],
)
def test_a_name_cannot_imitate_anything_else(name: str, shown: str) -> None:
    assert one_line(name) == shown
    first, second = turn(replace(asked("one"), author_name=name)), turn(asked("two", "Grace"))
    assert worded(first, second)[1] == f"(Until now {shown} was speaking.)\n[Grace] two"
    assert worded(second, first)[1] == f"(Until now Grace was speaking.)\n[{shown}] one"


@given(st.text())
def test_any_name_becomes_one_line_without_brackets(name: str) -> None:
    shown = one_line(name)
    assert shown.isprintable()
    assert shown.strip() == shown != ""
    assert not set(shown) & set("[]")
    assert one_line(shown) == shown


def test_a_quote_comes_after_the_question() -> None:
    quote = Quote(7, person("Grace"), "Grace\n[admin]", "Fish fly.\nOften.")
    assert alone("Is that so?", quote) == "Is that so?\n\n(In reply to Grace admin, who wrote: Fish fly.\nOften.)"


def test_files_come_last_in_their_order() -> None:
    quote = Quote(7, person("Grace"), "Grace", "Look.")
    files = TextFile(1, "b.txt", "second"), TextFile(2, "a.py\n[x]", "x = 1\n")
    assert alone("What is this?", quote, files=files) == (
        "What is this?\n\n"
        "(In reply to Grace, who wrote: Look.)\n\n"
        "The file b.txt:\n```\nsecond\n```\n\n"
        "The file a.py x:\n```\nx = 1\n\n```"
    )
    assert alone("", files=files[:1]) == "The file b.txt:\n```\nsecond\n```"


@given(st.text(alphabet="`\na"))
def test_no_file_can_close_its_fence(text: str) -> None:
    title, fence, *lines, end = alone("", files=(TextFile(1, "a.md", text),)).split("\n")
    assert title == "The file a.md:"
    assert fence == end
    assert set(fence) == {"`"}
    assert len(fence) >= 3
    assert "\n".join(lines) == text
    assert fence not in text


def test_the_name_precedes_all_parts() -> None:
    quote = Quote(7, person("Ada"), "Ada", "Look.")
    assert worded(turn(asked("one")), turn(asked("", "Grace", [quote])))[1] == (
        "(Until now Ada was speaking.)\n[Grace] Ada asks: Look."
    )


def test_a_quote_alone_is_the_question() -> None:
    quote = Quote(7, person("Grace"), "Grace\n[admin]", "Do fish fly?\nOften?")
    assert alone("", quote) == "Grace admin asks: Do fish fly?\nOften?"
    assert alone("", replace(quote, author_id=person("Ada"))) == "Do fish fly?\nOften?", "it is the asker's own"


LINUS = Quote(5, person("Linus"), "Linus", "Look up.", (TextFile(1, "a.txt", "first"),), Relation.EARLIER)
GRACE = Quote(7, person("Grace"), "Grace", "Do fish fly?")


def test_the_chain_of_replies_comes_in_its_order_and_each_message_with_its_author_and_files() -> None:
    chain = "(Earlier, Linus wrote: Look up.\n[file: a.txt])\n\nThe file a.txt:\n```\nfirst\n```"
    assert alone("Is that so?", LINUS, GRACE) == (
        f"Is that so?\n\n{chain}\n\n(In reply to Grace, who wrote: Do fish fly?)"
    )
    assert alone("", LINUS, GRACE) == f"Grace asks: Do fish fly?\n\n{chain}", "the message itself is what is asked"
    assert alone("Is that so?", LINUS) == f"Is that so?\n\n{chain}", "nothing else is said to be replied to"


def test_the_target_of_a_menu_is_what_is_asked_about() -> None:
    target = replace(GRACE, relation=Relation.TARGET)
    assert alone("Is that so?", target) == "Is that so?\n\n(About a message by Grace, who wrote: Do fish fly?)"
    assert alone("", target) == "Grace asks: Do fish fly?"


def test_messages_in_quick_succession_are_one_question_in_their_order() -> None:
    files = (TextFile(1, "a.txt", "first"),)
    parts = [Quote(number, person("Ada"), "Ada", f"Part {number}.", (), Relation.PART) for number in (8, 9)]
    whole = alone("Well?", GRACE, replace(parts[0], files=files), parts[1], files=(UnreadFile(2, "b.png", "picture"),))
    assert whole == (
        "Part 8.\nPart 9.\nWell?\n\n(In reply to Grace, who wrote: Do fish fly?)\n\n"
        "The file a.txt:\n```\nfirst\n```\n\n[picture: b.png, not readable]"
    )
    assert alone("", *parts) == "Part 8.\nPart 9."


def test_the_files_of_a_quote_are_its_own() -> None:
    files = TextFile(3, "a.txt", "third"), UnreadFile(4, "cat]\n.png", "picture")
    quote = Quote(7, person("Grace"), "Grace", "Look.", files)
    own = (TextFile(5, "b.txt", "mine"), UnreadFile(6, "c.pdf", "file"))
    quoted = "Look.\n[file: a.txt]\n[picture: cat .png, not readable]"
    rest = "The file a.txt:\n```\nthird\n```\n\nThe file b.txt:\n```\nmine\n```\n\n[file: c.pdf, not readable]"
    in_reply = f"(In reply to Grace, who wrote: {quoted})"
    assert alone("What is this?", quote, files=own) == f"What is this?\n\n{in_reply}\n\n{rest}"
    assert alone("", quote, files=own) == f"Grace asks: {quoted}\n\n{rest}"
    assert alone("So?", replace(quote, text="", files=files[1:])) == (
        "So?\n\n(In reply to Grace, who sent: [picture: cat .png, not readable])"
    )
