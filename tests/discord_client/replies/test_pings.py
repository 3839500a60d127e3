"""A late answer notifies its asker, once, and nobody else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from bot.answering.queue import WaitsFor
from bot.discord_client.replies.outcome_notes import position_note
from tests.discord_client.replies.editing import editor_for, shown
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATE = -math.inf


def allowed(stage: Stage) -> list[dict[str, Any]]:
    """What the messages that were sent allow to mention."""
    return [json.loads(body)["allowed_mentions"] for body in stage.network.bodies if body.startswith("{")]


async def test_a_late_first_text_notifies_the_asker_alone(stage: Stage) -> None:
    sent = len(allowed(stage))
    editor = editor_for(await stage.say("Hello"), ping_at=LATE)
    editor.show("@everyone look")
    await shown(stage, lambda texts: len(texts) == 1)
    assert await editor.finish(f"@everyone look <@{stage.person('Linus')}> " + "word " * 600)
    assert len(stage.texts()) == 2
    assert allowed(stage)[sent:] == [{"parse": [], "replied_user": True}, {"parse": []}]


async def test_an_early_text_notifies_nobody(stage: Stage) -> None:
    sent = len(allowed(stage))
    editor = editor_for(await stage.say("Hello"), ping_at=math.inf)
    assert await editor.finish("Hi")
    assert allowed(stage)[sent:] == [{"parse": []}]


async def test_a_position_gives_way_to_a_message_that_notifies(stage: Stage) -> None:
    """An edit would notify nobody."""
    editor = editor_for(await stage.say("Hello"), ping_at=LATE)
    editor.show_progress(position_note(2, WaitsFor.OTHERS))
    await shown(
        stage, lambda texts: texts == ["I am answering other questions right now. 1 question comes before yours."]
    )
    [position] = stage.replies()
    editor.show("Hi")
    await shown(stage, lambda texts: texts == ["Hi"])
    assert stage.replies()[0]["id"] != position["id"]
    [reply] = stage.replies()
    assert await editor.finish("Hi there")
    assert [each["id"] for each in stage.replies()] == [reply["id"]], "later texts are edits"


async def test_a_position_that_was_not_for_long_becomes_the_text(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"), ping_at=math.inf)
    editor.show_progress(position_note(1, WaitsFor.OWN))
    await shown(stage, lambda texts: len(texts) == 1)
    [position] = stage.replies()
    assert await editor.finish("Hi")
    assert [(each["id"], each["content"]) for each in stage.replies()] == [(position["id"], "Hi")]


async def test_an_answer_that_a_restart_interrupted_notifies_when_it_is_late(stage: Stage) -> None:
    question = await stage.say("Hello")
    earlier = [await question.reply("Half of"), await question.channel.send("it")]
    sent = len(allowed(stage))
    editor = editor_for(question, sent=earlier, ping_at=LATE)
    assert await editor.finish("Half of it.")
    assert stage.texts() == ["Half of it."]
    assert allowed(stage)[sent:] == [{"parse": [], "replied_user": True}]


@pytest.mark.parametrize(("is_news", "is_new"), [(True, True), (False, False)], ids=["a failure", "a stop"])
async def test_a_note_alone_notifies_if_it_is_news(stage: Stage, is_news: bool, is_new: bool) -> None:
    editor = editor_for(await stage.say("Hello"), ping_at=LATE)
    editor.show_progress(position_note(1, WaitsFor.OTHERS))
    await shown(stage, lambda texts: len(texts) == 1)
    [position] = stage.replies()
    assert await editor.finish("", "A note.", is_news=is_news)
    [reply] = stage.replies()
    assert reply["content"] == "A note."
    assert (reply["id"] != position["id"]) is is_new


async def test_a_position_stays_where_nothing_more_can_be_sent(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"), ping_at=LATE)
    editor.show_progress(position_note(1, WaitsFor.OTHERS))
    await shown(stage, lambda texts: len(texts) == 1)
    stage.server.fail_next("POST", f"/channels/{stage.channel}/messages", 403, None, code=50013)
    assert await editor.finish("Hi")
    stage.server.end_faults()
    assert [text.split("\n")[0] for text in stage.texts()] == ["Hi"]
    assert not stage.replies()[0]["components"]
