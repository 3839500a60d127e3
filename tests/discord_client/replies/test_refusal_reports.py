"""Who is told of a missing permission, how often, and what happens where nobody can be."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import pytest_asyncio

from bot.answering.recovery import UnreachableError
from bot.conversation.store import UnfinishedQuestion
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.rest.pace import RequestPace
from tests.discord_client.incoming.conftest import Incoming, incoming
from tests.discord_client.replies.editing import editor_for
from tests.discord_client.stage import Stage

__all__ = ["incoming"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_HISTORY = "\n-# I cannot reply to your message here"


@pytest_asyncio.fixture(loop_scope="session")
async def reports(stage: Stage) -> RefusalReports:
    return RefusalReports(stage.client, RequestPace())


async def in_own_channel(stage: Stage, *denied: str) -> Stage:
    channel = stage.server.add_channel("reports").id
    stage.server.set_permissions(stage.server.bot.id, channel, deny=denied)
    return replace(stage, channel=channel)


async def answer(stage: Stage, reports: RefusalReports, name: str = "Grace") -> None:
    question = await stage.say("Hello", by=name, channel=stage.channel)
    await editor_for(question, reports=reports).finish("Hi")


async def direct_messages(stage: Stage, name: str) -> list[str]:
    private = await stage.server.open_dm(stage.person(name))
    messages = stage.server.messages(stage.person(name), private)
    return [each["content"] for each in messages if f"<#{stage.channel}>" in each["content"]]


async def test_each_member_is_told_once_in_each_channel(
    stage: Stage, reports: RefusalReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = [await in_own_channel(stage, "read_message_history") for _ in range(2)]
    for name in ("Grace", "Grace", "Linus", "Grace"):
        await answer(here, reports, name)
    assert [NO_HISTORY in text for text in here.texts()] == [True, False, True, False]
    await answer(elsewhere, reports)
    assert NO_HISTORY in elsewhere.texts()[0]
    monkeypatch.setattr("bot.discord_client.replies.refusal_reports._SILENT_SECONDS", 0.0)
    await answer(here, reports)
    assert NO_HISTORY in here.texts()[-1], "after some hours again"


async def test_a_direct_message_is_sent_once(stage: Stage, reports: RefusalReports) -> None:
    here = await in_own_channel(stage, "send_messages")
    for _ in range(3):
        await answer(here, reports)
    assert len(await direct_messages(here, "Grace")) == 1


async def test_whoever_takes_no_direct_message_is_in_the_log(
    stage: Stage, reports: RefusalReports, caplog: pytest.LogCaptureFixture
) -> None:
    here = await in_own_channel(stage, "send_messages")
    stage.server.set_dms_open(stage.person("Grace"), False)
    private = await stage.server.open_dm(stage.person("Grace"))
    calls = len(stage.server.calls)
    try:
        with caplog.at_level(logging.WARNING, "bot"):
            await answer(here, reports)
            await answer(here, reports)
    finally:
        stage.server.set_dms_open(stage.person("Grace"), True)
    tries = [call for call in stage.server.calls[calls:] if call.path == f"/channels/{private}/messages"]
    assert [call.code for call in tries] == [50007], "one try, and no other"
    assert f"channel={here.channel} permission=Send Messages told=log only" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_direct_message_outlasts_a_short_outage(stage: Stage, reports: RefusalReports) -> None:
    here = await in_own_channel(stage, "send_messages")
    private = await stage.server.open_dm(stage.person("Grace"))
    stage.server.fail_next("POST", f"/channels/{private}/messages", 400, code=40004)
    await answer(here, reports)
    assert len(await direct_messages(here, "Grace")) == 1


async def test_a_crowd_gets_only_so_many_direct_messages(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.discord_client.replies.refusal_reports._MOST_DIRECT", 1)
    reports = RefusalReports(stage.client, RequestPace())
    here = await in_own_channel(stage, "send_messages")
    for name in ("Grace", "Linus"):
        await answer(here, reports, name)
    assert len(await direct_messages(here, "Grace")) == 1
    assert await direct_messages(here, "Linus") == []
    assert "told=log only" in caplog.text


@pytest.mark.parametrize("may_send", [True, False])
async def test_a_question_that_cannot_be_read_again_is_told_once(incoming: Incoming, may_send: bool) -> None:
    denied = ["read_message_history", *([] if may_send else ["send_messages"])]
    here = await in_own_channel(incoming.stage, *denied)
    question = await here.say("Hello", channel=here.channel)
    left = UnfinishedQuestion(question.id, here.channel, None, "", (), question.author.id)
    for _ in range(2):
        with pytest.raises(UnreachableError):
            await incoming.inbox.resume(left)
    told = here.texts() if may_send else await direct_messages(here, "Grace")
    assert len(told) == 1
    assert "permission Read Message History" in told[0]
