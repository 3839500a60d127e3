"""A growing reply as people see it, through the real discord.py and over a real network."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
import discord
import pytest

from bot.discord_client.replies.reply_editor import EDIT_INTERVAL_SECONDS, ReplyEditor
from bot.discord_client.replies.stop_button import stop_view
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAST = 0.05


class Record:
    """Which messages were said to show the answer."""

    def __init__(self) -> None:
        self.messages: dict[int, int] = {}

    async def sent(self, position: int, message_id: int) -> None:
        self.messages[position] = message_id

    async def about_to_delete(self, message_id: int) -> None:
        self.messages = {position: each for position, each in self.messages.items() if each != message_id}


def editor_for(
    question: discord.Message,
    *,
    max_messages: int = 3,
    interval_seconds: float = FAST,
    record: Record | None = None,
    sent: Sequence[discord.Message] = (),
) -> ReplyEditor:
    return ReplyEditor(
        question,
        max_messages=max_messages,
        make_view=lambda: stop_view(question.id),
        record=record or Record(),
        sent=sent,
        interval_seconds=interval_seconds,
    )


async def shown(stage: Stage, condition: Callable[[list[str]], Any]) -> None:
    """Wait until people see texts that fulfil the condition."""
    await stage.server.wait_for(lambda: condition(stage.texts()), 15, what=f"other texts than {stage.texts()}")


def ends_with(ending: str) -> Callable[[list[str]], bool]:
    return lambda texts: bool(texts) and texts[-1].endswith(ending)


def edits(stage: Stage) -> list[float]:
    """When the reply was sent and edited."""
    path = f"/channels/{stage.channel}/messages"
    return [call.at for call in stage.server.calls if call.method in ("POST", "PATCH") and call.path.startswith(path)]


async def test_edits_keep_their_distance_and_the_newest_text_wins(stage: Stage) -> None:
    question = await stage.say("Hello")
    editor = editor_for(question, interval_seconds=EDIT_INTERVAL_SECONDS)
    seen: list[str] = []
    words = [f"word{number}" for number in range(250)]
    for end in range(1, len(words)):
        editor.show(" ".join(words[:end]))
        seen += [text for text in stage.texts() if text not in seen]
        await asyncio.sleep(0.015)
    await editor.finish(" ".join(words))
    assert stage.texts() == [" ".join(words)]
    distances = [later - earlier for earlier, later in itertools.pairwise(edits(stage))]
    assert len(distances) >= 3
    assert min(distances) >= EDIT_INTERVAL_SECONDS - 0.1
    # Each edit brought everything that had been written by then.
    assert seen == sorted(seen, key=len)
    assert len(seen) <= 5


async def test_the_first_text_is_sent_at_once_as_a_reply_that_can_be_stopped(stage: Stage) -> None:
    question = await stage.say("Hello")
    editor = editor_for(question, interval_seconds=30)
    editor.show("Hi")
    await shown(stage, lambda texts: texts == ["Hi"])
    (reply,) = stage.replies()
    assert reply["message_reference"]["message_id"] == str(question.id)
    assert reply["components"][0]["components"][0]["custom_id"] == f"stop:{question.id}"


async def test_a_finished_reply_has_its_note_and_no_button(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    editor.show("Hi")
    await editor.finish("Hi there", "Stopped.")
    (reply,) = stage.replies()
    assert reply["content"] == "Hi there\n-# Stopped."
    assert reply["components"] == []


async def test_an_answer_without_text_is_its_note_alone(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    await editor.finish("", "Stopped.")
    assert stage.texts() == ["Stopped."]


async def test_a_long_answer_becomes_several_messages_with_one_button(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    text = "\n\n".join(
        f"Paragraph {number}: " + " ".join(str(number * word) for word in range(99)) for number in range(14)
    )
    for end in range(500, len(text), 500):
        editor.show(text[:end])
        await shown(stage, ends_with(text[:end].strip()[-20:]))
        with_button = [bool(reply["components"]) for reply in stage.replies()]
        assert with_button == [False] * (len(with_button) - 1) + [True]
    await editor.finish(text)
    assert len(stage.texts()) == 3
    assert " ".join(stage.texts()).split() == text.split()
    assert not any(reply["components"] for reply in stage.replies())
    first = f"/channels/{stage.channel}/messages/{stage.replies()[0]['id']}"
    second = f"/channels/{stage.channel}/messages/{stage.replies()[1]['id']}"
    paths = [call.path for call in stage.server.calls if call.method == "PATCH"]
    # A message that is full is left alone.
    assert max(scope for scope, path in enumerate(paths) if path == first) < paths.index(second)


async def test_an_answer_too_long_for_its_messages_is_attached(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"), max_messages=2)
    text = "Ünïcödé wörds. " * 500
    editor.show(text[:3000])
    await shown(stage, lambda texts: len(texts) == 2)
    editor.show(text[:6000])
    await shown(stage, lambda texts: texts[-1].endswith(" …"))
    assert not stage.replies()[-1]["attachments"]
    await editor.finish(text)
    first, last = stage.replies()
    assert first["attachments"] == []
    (attachment,) = last["attachments"]
    assert attachment["filename"] == "answer.md"
    async with aiohttp.request("GET", attachment["url"]) as file:
        assert (await file.read()).decode() == text.strip()
    assert last["content"].endswith("attached file.")


async def test_an_answer_that_came_at_once_is_attached_too(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"), max_messages=1)
    await editor.finish("word " * 1000)
    (reply,) = stage.replies()
    assert len(reply["attachments"]) == 1


async def test_a_message_that_is_no_longer_needed_goes(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    editor.show("word " * 500)
    await shown(stage, lambda texts: len(texts) == 2)
    await editor.finish("Short after all.")
    assert stage.texts() == ["Short after all."]


async def test_everyone_is_not_called(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    await editor.finish(f"@everyone <@{stage.person('Linus')}> look")
    sent = json.loads(stage.line.bodies[-1])
    assert sent["content"].startswith("@everyone")
    assert sent["allowed_mentions"] == {"parse": []}


# ------------------------------------------------------------ what goes wrong


async def test_a_reply_deleted_meanwhile_ends_it(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    editor.show("Hi")
    await shown(stage, lambda texts: texts == ["Hi"])
    await stage.server.delete(stage.person("Ada"), stage.channel, int(stage.replies()[0]["id"]))
    editor.show("Hi there")
    async with asyncio.timeout(10):
        await editor.undeliverable.wait()
        await editor.finish("Hi there, you")
    assert stage.texts() == []


async def test_a_question_deleted_meanwhile_is_answered_all_the_same(stage: Stage) -> None:
    question = await stage.say("Hello")
    await stage.server.delete(stage.person("Grace"), stage.channel, question.id)
    await editor_for(question).finish("Hi")
    assert stage.texts() == ["Hi"]


async def test_without_permission_to_send_it_ends(stage: Stage) -> None:
    silent = replace(stage, channel=stage.server.channels[2].id)
    question = await silent.say("Hello")
    stage.server.set_permissions(stage.server.bot.id, silent.channel, deny=["send_messages"])
    editor = editor_for(question)
    editor.show("Hi")
    async with asyncio.timeout(10):
        await editor.undeliverable.wait()
        await editor.finish("Hi there")
    assert silent.texts() == []


async def test_a_broken_gateway_of_discord_is_tried_again(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    stage.server.fail_next("POST", "/channels/*/messages", 502)
    editor.show("one")
    await shown(stage, lambda texts: texts == ["one"])
    stage.server.fail_next("PATCH", "/channels/*", 502)
    await editor.finish("one two three")
    assert stage.texts() == ["one two three"]


@pytest.mark.parametrize("loss", ["request", "answer"])
async def test_lost_connections_are_tried_again_without_doubled_messages(stage: Stage, loss: Any) -> None:
    editor = editor_for(await stage.say("Hello"), interval_seconds=0.01)
    words = ["word"] * 700
    stage.line.losses += [loss, None] * 100
    for end in range(25, len(words), 25):
        editor.show(" ".join(words[:end]))
        await asyncio.sleep(0.02)
    await editor.finish(" ".join(words), "Stopped.")
    assert len(stage.line.losses) < 190
    stage.line.losses.clear()
    assert len(stage.texts()) == 2
    assert " ".join(stage.texts()) == " ".join(words) + "\n-# Stopped."
    assert not any(reply["components"] for reply in stage.replies())


@pytest.mark.parametrize(("text", "files"), [("one two", 0), ("word " * 1000, 1)])
async def test_a_message_that_arrived_unnoticed_is_brought_up_to_date(stage: Stage, text: str, files: int) -> None:
    """Its second try carries newer text, but Discord answers with the first one and changes nothing."""
    editor = editor_for(await stage.say("Hello"), max_messages=1)
    stage.line.losses.append("answer")
    editor.show("one")
    await shown(stage, lambda texts: texts == ["one"])
    await editor.finish(text)
    (reply,) = stage.replies()
    assert reply["content"][:7] == text[:7]
    assert len(reply["attachments"]) == files
    assert reply["components"] == []


async def test_a_file_arrives_after_a_lost_connection(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"), max_messages=1)
    editor.show("word")
    await shown(stage, lambda texts: texts == ["word"])
    stage.line.losses += ["request", "answer"]
    await editor.finish("word " * 1000)
    (reply,) = stage.replies()
    assert [attachment["size"] for attachment in reply["attachments"]] == [4999]


async def test_a_line_that_stays_dead_is_given_up_and_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    editor = editor_for(await stage.say("Hello"), interval_seconds=0.01)
    stage.line.losses += ["request"] * 1000
    with caplog.at_level(logging.ERROR, "bot"):
        async with asyncio.timeout(20):
            await editor.finish("Hi")
    stage.line.losses.clear()
    assert "Gave up on a reply" in caplog.text
    assert stage.texts() == []
