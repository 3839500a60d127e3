"""Replies that Discord or the network refuses, through the real discord.py and over real connections."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from bot.demo.loopback import ConnectionFault, Limit
from tests.discord_client.replies.editing import Record, editor_for, shown
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_deleted_reply_ends_the_edits(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    editor.show("Hi")
    await shown(stage, lambda texts: texts == ["Hi"])
    await stage.server.delete(stage.person("Ada"), stage.channel, int(stage.replies()[0]["id"]))
    editor.show("Hi there")
    async with asyncio.timeout(10):
        await editor.undeliverable.wait()
        await editor.finish("Hi there, you")
    assert stage.texts() == []


async def test_a_deleted_question_is_still_answered(stage: Stage) -> None:
    question = await stage.say("Hello")
    await stage.server.delete(stage.person("Grace"), stage.channel, question.id)
    await editor_for(question).finish("Hi")
    assert stage.texts() == ["Hi"]


async def test_a_missing_permission_ends_the_edits(stage: Stage) -> None:
    silent = replace(stage, channel=stage.server.channels[2].id)
    question = await silent.say("Hello")
    stage.server.set_permissions(stage.server.bot.id, silent.channel, deny=["send_messages"])
    editor = editor_for(question)
    editor.show("Hi")
    async with asyncio.timeout(10):
        await editor.undeliverable.wait()
        await editor.finish("Hi there")
    assert silent.texts() == []


async def test_a_server_error_is_retried(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    stage.server.fail_next("POST", "/channels/*/messages", 502)
    editor.show("one")
    await shown(stage, lambda texts: texts == ["one"])
    stage.server.fail_next("PATCH", "/channels/*", 502)
    await editor.finish("one two three")
    assert stage.texts() == ["one two three"]


@pytest.mark.parametrize("loss", ["request", "answer"])
async def test_lost_connections_are_retried_without_duplicates(stage: Stage, loss: Any) -> None:
    editor = editor_for(await stage.say("Hello"), edit_seconds=0.01)
    words = ["word"] * 700
    stage.network.losses += [loss, None] * 100
    for end in range(25, len(words), 25):
        editor.show(" ".join(words[:end]))
        await asyncio.sleep(0.02)
    await editor.finish(" ".join(words), "Stopped.")
    assert len(stage.network.losses) < 197
    stage.network.losses.clear()
    assert len(stage.texts()) == 2
    assert " ".join(stage.texts()) == " ".join(words) + "\n-# Stopped."
    assert not any(reply["components"] for reply in stage.replies())


@pytest.mark.parametrize(("text", "files"), [("one two", 0), ("word " * 1000, 1)])
async def test_a_message_whose_response_was_lost_is_updated(stage: Stage, text: str, files: int) -> None:
    """The second try has newer text, but Discord returns the first message unchanged."""
    editor = editor_for(await stage.say("Hello"), max_messages=1)
    stage.network.losses.append("answer")
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
    stage.network.losses += ["request", "answer"]
    await editor.finish("word " * 1000)
    (reply,) = stage.replies()
    assert [attachment["size"] for attachment in reply["attachments"]] == [4999]


async def test_an_outage_is_logged_once_and_outlasted(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    editor = editor_for(await stage.say("Hello"), edit_seconds=0.01)
    stage.network.losses += ["request"] * 7
    with caplog.at_level(logging.INFO, "bot"):
        async with asyncio.timeout(20):
            assert await editor.finish("Hi")
    assert caplog.text.count("Retrying a reply") == 1
    assert f"channel={stage.channel}" in caplog.text
    assert stage.texts() == ["Hi"]


@pytest.mark.parametrize("limit", list(Limit))
async def test_a_rate_limit_is_waited_out(stage: Stage, limit: Limit) -> None:
    """discord.py tries five times, and a ban of Cloudflare's once; then it raises."""
    editor = editor_for(await stage.say("Hello"))
    editor.show("one")
    await shown(stage, lambda texts: texts == ["one"])
    stage.server.fail_next("PATCH", f"/channels/{stage.channel}/*", 429, times=6, retry_after=0.1, limit=limit)
    assert await editor.finish("one two three")
    assert stage.texts() == ["one two three"]
    assert not stage.replies()[0]["components"]


async def test_a_request_that_is_never_answered_is_made_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.discord_client.rest.time_limit._SECONDS", 0.3)
    editor = editor_for(await stage.say("Hello"))
    stage.server.break_next("POST", f"/channels/{stage.channel}/messages", ConnectionFault.HANG_AFTER)
    async with asyncio.timeout(15):
        assert await editor.finish("Hi")
    assert stage.texts() == ["Hi"]


async def test_a_message_that_arrived_in_an_outage_is_found_when_its_nonce_is_old(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_client.replies.reply_messages._NONCE_SECONDS", 0.0)
    editor = editor_for(await stage.say("Hello"), max_messages=2)
    text = "word " * 600
    stage.network.losses += ["answer", None, "answer"]
    assert await editor.finish(text)
    assert " ".join(stage.texts()).split() == text.split()
    assert len(stage.texts()) == 2


async def test_an_archived_thread_is_opened_by_a_new_reply(stage: Stage) -> None:
    editor = editor_for(await stage.say("Hello"))
    editor.show("Half of")
    await shown(stage, lambda texts: texts == ["Half of"])
    await stage.server.archive_thread(stage.person("Ada"), stage.channel)
    assert await editor.finish("Half of it.")
    assert stage.texts() == ["Half of it."]


async def test_a_locked_thread_ends_the_edits(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    editor = editor_for(await stage.say("Hello"))
    editor.show("Half of")
    await shown(stage, lambda texts: texts == ["Half of"])
    stage.server.set_permissions(stage.server.bot.id, stage.server.channels[0].id, deny=["manage_threads"])
    await stage.server.archive_thread(stage.person("Ada"), stage.channel, lock=True)
    with caplog.at_level(logging.WARNING, "bot"):
        assert not await editor.finish("Half of it.")
    assert f"channel={stage.channel}" in caplog.text


async def test_what_the_servers_rules_block_is_replaced_by_a_line(stage: Stage) -> None:
    stage.server.block_word("forbiddenword")
    editor = editor_for(await stage.say("Hello"))
    editor.show("This is a")
    await shown(stage, lambda texts: texts == ["This is a"])
    editor.show("This is a forbiddenword")
    await shown(stage, lambda texts: texts[0].startswith("This server's AutoMod"))
    assert not editor.takes_more
    assert await editor.finish("This is a forbiddenword again")
    assert [text.split(".")[0] for text in stage.texts()] == ["This server's AutoMod does not let me post my answer"]
    assert not stage.replies()[0]["components"]


async def test_a_day_long_outage_is_outlasted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A back-off that doubles without a bound overflows after 1,024 failures, which are four hours."""
    monkeypatch.setattr("bot.discord_client.rest.pace._CHANNEL_REQUESTS", 10_000)
    monkeypatch.setattr("bot.discord_client.rest.pace._REQUESTS", 10_000)
    monkeypatch.setattr("bot.discord_client.replies.reply_retries._LONGEST_SECONDS", 0.0)
    editor = editor_for(await stage.say("Hello"))
    stage.network.losses += ["request"] * 1_100
    try:
        assert await editor.finish("Hi")
    finally:
        stage.network.losses.clear()
    assert stage.texts() == ["Hi"]


async def test_the_same_text_for_two_questions_is_sent_twice_after_an_outage(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_client.replies.reply_messages._NONCE_SECONDS", 0.0)
    questions = [await stage.say("Hello"), await stage.say("Hello", by="Linus")]
    stage.network.losses += ["request", "request"]
    assert all(await asyncio.gather(*(editor_for(question).finish("Yes.") for question in questions)))
    answered = {int(reply["message_reference"]["message_id"]) for reply in stage.replies()}
    assert answered == {question.id for question in questions}


async def test_a_reply_whose_first_message_was_deleted_is_whole_after_a_restart(stage: Stage) -> None:
    """Discord still knows the nonce of the second message, which is now the first."""
    question = await stage.say("Hello")
    text = "word " * 600
    assert await editor_for(question).finish(text)
    first, second = (int(reply["id"]) for reply in stage.replies())
    await stage.server.delete(stage.person("Ada"), stage.channel, first)
    assert await editor_for(question, sent=[await question.channel.fetch_message(second)]).finish(text)
    assert " ".join(stage.texts()).split() == text.split()


async def test_a_bug_is_logged_and_leaves_no_half_text(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    class BrokenRecord(Record):
        async def sent(self, position: int, message_id: int) -> None:
            raise RuntimeError("a defect")

    editor = editor_for(await stage.say("Hello"), record=BrokenRecord())
    editor.show("Half of")
    assert await editor.finish("Half of it.")
    assert stage.texts() == ["Half of it."]
    assert caplog.text.count("Traceback") == 1
