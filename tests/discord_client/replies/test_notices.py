"""Lines to members whose message gets no answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from bot.demo.loopback import ConnectionFault
from bot.discord_client.replies.notices import Notices
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.replies.reply_editors import ReplyEditors
from bot.discord_client.rest.pace import RequestPace
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import open_memory
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

FULL = "My queue is full with 100 questions. Ask again in a few minutes."


@pytest_asyncio.fixture(loop_scope="session")
async def work(tmp_path: Any) -> Any:
    async with open_memory(tmp_path) as memory:
        yield DatabaseWorkStore(memory.journal)


@pytest_asyncio.fixture(loop_scope="session")
async def editors(stage: Stage, work: DatabaseWorkStore, tmp_path: Any) -> Any:
    async with open_memory(tmp_path / "more") as memory:
        pace = RequestPace()
        yield ReplyEditors(
            stage.client, pace, memory.conversations(), work, RefusalReports(stage.client, pace), max_messages=3
        )


@pytest.fixture
def notices(stage: Stage, work: DatabaseWorkStore, editors: ReplyEditors) -> Notices:
    return Notices(editors, work, stage.client.running_replies)


async def test_one_member_gets_a_reply(stage: Stage, notices: Notices, work: DatabaseWorkStore) -> None:
    message = await stage.say("Hello?")
    await notices.say(message, FULL)
    [reply] = stage.replies()
    assert reply["content"] == FULL
    assert reply["message_reference"]["message_id"] == str(message.id)
    assert await work.unfinished() == []
    assert await work.unseen([message.id]) == set()


async def test_a_crowd_shares_a_few_messages_that_name_everybody(
    stage: Stage, notices: Notices, work: DatabaseWorkStore
) -> None:
    people = [stage.server.add_person(f"Guest {number}") for number in range(200)]
    for person in people[:-1]:
        await stage.server.send(person.id, stage.channel, "Hello?")
    await stage.say("Hello?", by=people[-1].name)
    messages = [each for each in stage.client.cached_messages if each.channel.id == stage.channel]
    assert len(messages) == 200
    await asyncio.gather(*(notices.say(message, FULL) for message in messages))
    assert len(stage.texts()) <= 5, "the longest list of names takes three messages"
    said = "\n".join(stage.texts())
    replied_to = {
        int(reply["message_reference"]["message_id"]) for reply in stage.replies() if "message_reference" in reply
    }
    assert all(each.author.mention in said or each.id in replied_to for each in messages)
    assert await work.unfinished() == []


async def test_a_notice_for_several_outlasts_the_deletion_of_one_message(
    stage: Stage, notices: Notices, editors: ReplyEditors
) -> None:
    alone, *several = [await stage.say("Hello?", by=name) for name in ("Ada", "Grace", "Linus")]
    stage.server.fail_next("POST", f"/channels/{stage.channel}/messages", 503, times=None)
    saying = [asyncio.create_task(notices.say(alone, "Alone."))]
    saying += [asyncio.create_task(notices.say(each, FULL)) for each in several]
    await stage.server.wait_for(lambda: any(call.status == 503 for call in stage.server.calls), what="a refusal")
    await editors.messages_deleted([alone.id, several[0].id])
    stage.server.end_faults()
    await asyncio.gather(*saying)
    [text] = stage.texts()
    assert text.endswith(FULL)


async def test_what_a_crash_interrupts_is_still_to_be_said(
    stage: Stage, notices: Notices, work: DatabaseWorkStore
) -> None:
    message = await stage.say("Hello?")
    stage.server.break_next("POST", f"/channels/{stage.channel}/messages", ConnectionFault.HANG)
    saying = asyncio.create_task(notices.say(message, FULL))
    await asyncio.sleep(0)  # the write is in the journal then
    left = await work.unfinished()
    assert [(each.message_id, each.notice) for each in left] == [(message.id, FULL)]
    stage.server.end_faults()
    await saying
    assert stage.texts() == [FULL]
    assert await work.unfinished() == []


async def test_a_reset_is_survived(stage: Stage, notices: Notices) -> None:
    stage.network.losses += ["answer", "request"]
    await notices.say(await stage.say("Hello?"), FULL)
    assert stage.texts() == [FULL]


async def test_a_long_line_is_split(stage: Stage, notices: Notices) -> None:
    line = " ".join(f"I skipped file-{number}.png." for number in range(200))
    await notices.say(await stage.say("Hello?"), line)
    assert " ".join(stage.texts()) == line
    assert len(stage.texts()) == 3


async def test_a_refused_line_is_not_said_again(stage: Stage, notices: Notices, work: DatabaseWorkStore) -> None:
    message = await stage.say("Hello?")
    stage.server.fail_next("POST", f"/channels/{stage.channel}/messages", 403, code=50013)
    await notices.say(message, FULL)
    assert stage.texts() == []
    assert await work.unfinished() == []


async def test_who_comes_during_an_outage_shares_one_message(
    stage: Stage, notices: Notices, work: DatabaseWorkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of an outage would otherwise end with half an hour of the same line."""
    monkeypatch.setattr("bot.discord_client.replies.notices._GATHER_SECONDS", 0.01)
    messages = [await stage.say("Hello?", by=name) for name in ("Ada", "Grace", "Linus") * 4]
    stage.server.fail_next("POST", f"/channels/{stage.channel}/messages", 503, times=None)
    saying = []
    for message in messages:
        saying.append(asyncio.create_task(notices.say(message, FULL)))
        await asyncio.sleep(0.05)
    stage.server.end_faults()
    await asyncio.gather(*saying)
    assert len(stage.texts()) == 2
    assert await work.unfinished() == []
