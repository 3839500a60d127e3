"""The file of `/export`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.conversation.turn import ConversationKey, Quote, Relation, TextFile, Turn, UnreadFile, UserMessage
from bot.discord_client.commands.exported_conversation import exported_conversation
from bot.prompting.prompt import Message

AT = datetime(2026, 11, 29, 8, 5, tzinfo=UTC)
KEY = ConversationKey(1)
FIRST = 1_400_000_000_000_000_000  # a snowflake of July 2025
LARGE = 10_000


def turn(number: int, asked: UserMessage, answer: str = "Yes.") -> Turn:
    turn_id = FIRST + number
    return Turn(turn_id, KEY, None, turn_id, 0, asked, Message("assistant", answer))


def test_a_question_is_written_with_all_that_came_with_it() -> None:
    quotes = (
        Quote(5, 3, "Ada\n# King", "Our boat\nis slow.", (TextFile(8, "boat.txt", "…"),)),
        Quote(6, 2, "Grace", "One more thing:", relation=Relation.PART),
    )
    asked = UserMessage("Is that so?", 2, "Grace", quotes, (UnreadFile(9, "boat.png", "picture"),))

    text = exported_conversation([turn(0, asked)], "#boats", AT, LARGE).decode()

    assert text == (
        "# Conversation with Phi in #boats\n\n"
        "Exported on 2026-11-29 08:05 UTC; 1 question.\n\n"
        "## 2025-07-30 06:20 UTC\n\n"
        "**Grace:**\n\n"
        "> Ada # King wrote:\n> Our boat\n> is slow.\n> Files: boat.txt\n\n"
        "One more thing:\nIs that so?\n\n"
        "Files: boat.png\n\n"
        "**Phi:**\n\n"
        "Yes.\n"
    )


def test_the_oldest_questions_make_room_for_the_newest() -> None:
    turns = [turn(number, UserMessage(f"Question {number}?", 2, "Grace"), "é" * 100) for number in range(20)]
    whole = exported_conversation(turns, "#boats", AT, LARGE)
    assert b"Left out" not in whole
    for most_bytes in (len(whole), len(whole) - 1, 1500, 400):
        content = exported_conversation(turns, "#boats", AT, most_bytes)
        assert len(content) <= most_bytes
        kept = content.count(b"\n## ")
        assert kept or most_bytes == 400
        assert f"; {kept} question".encode() in content
        assert [number for number in range(20) if f"Question {number}?".encode() in content] == [*range(20 - kept, 20)]
        if kept < 20:
            assert f"the oldest {20 - kept} question".encode() in content


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ("```python\nprint(1)", "print(1)\n```\n"),
        ("````\n```\nprint(1)\n```", "```\n````\n"),
        ("~~~\nprint(1)\n```", "```\n~~~\n"),
        ("```\nprint(1)\n```", "print(1)\n```\n"),
    ],
)
def test_an_answer_that_ended_inside_a_code_block_takes_nothing_in(answer: str, end: str) -> None:
    content = exported_conversation([turn(0, UserMessage("Code?", 2, "Grace"), answer)], "#boats", AT, LARGE)
    assert content.decode().endswith(end)


def test_text_that_is_no_unicode_is_replaced() -> None:
    assert b"a?b" in exported_conversation([turn(0, UserMessage("a\ud800b", 2, "Grace"))], "#boats", AT, LARGE)
