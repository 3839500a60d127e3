"""How many messages a reply takes where it cannot be a file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord_client.replies.reply_layout import ReplyLayout
from bot.discord_client.replies.reply_messages import ReplyMessages

LONG = "word " * 6000


@pytest.mark.parametrize(("most", "count"), [(1000, 10), (5, 5)])
def test_an_answer_that_cannot_be_a_file_takes_no_more_messages_than_discord_does(most: int, count: int) -> None:
    transport: Any = SimpleNamespace(most_messages=most, may_attach=False, may_refer=True)
    record: Any = None  # nothing is shown
    layout = ReplyLayout(ReplyMessages(1, transport, record), 3, "Send Messages", lambda permission: f"no {permission}")
    layout.text, layout.finished = LONG, True
    plan = layout.plan()
    assert len(plan.bodies) == count
    assert plan.attachment is None
    assert plan.bodies[-1].endswith("no Attach Files")
