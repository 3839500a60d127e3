"""From a message to its ticket and its reply, or to the line that says why there is none."""

from __future__ import annotations

import asyncio

import pytest

from tests.discord_client.incoming.conftest import Incoming

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_ticket_is_taken_before_anything_is_awaited(paused: Incoming) -> None:
    first, second = await paused.mention("One?", by="Grace"), await paused.mention("Two?", by="Linus")
    work = [paused.intake.take(message) for message in (first, second)]
    assert paused.queue.waiting == 2
    answering = asyncio.gather(*reversed([asyncio.ensure_future(each) for each in work]))
    paused.queue.resume()
    await answering
    assert paused.stage.texts() == ["Stopped.", "Stopped."]
    assert paused.queue.idle
    assert await paused.unfinished() == []


async def test_a_message_is_answered_once(incoming: Incoming) -> None:
    message = await incoming.mention("Hello?")
    for _ in range(2):
        await incoming.intake.take(message)
    assert incoming.stage.texts() == ["Stopped."]


async def test_a_bare_mention_gets_a_greeting_and_no_ticket(paused: Incoming) -> None:
    message = await paused.mention("")
    greeting = paused.intake.take(message)
    assert paused.queue.idle
    await greeting
    assert paused.stage.texts() == ["Hello! Write your question in the message that mentions me."]
    assert await paused.work.unseen([message.id]) == set()


async def test_unreadable_files_alone_give_the_ticket_back(incoming: Incoming) -> None:
    await incoming.intake.take(await incoming.mention("", files=[("boat.png", b"\x89PNG\r\n\x1a\n")]))
    assert incoming.stage.texts() == ["I only read text files and PDFs, so I skipped boat.png."]
    assert incoming.queue.idle
    assert await incoming.unfinished() == []


async def test_a_full_queue_refuses(paused: Incoming) -> None:
    work = [paused.intake.take(await paused.mention("Hello?", by="Grace")) for _ in range(2)]
    waiting = asyncio.ensure_future(work[0])
    await work[1]
    assert paused.stage.texts()[-1].startswith("You already have 1 question in the queue.")
    paused.queue.resume()
    await waiting


async def test_a_closed_queue_leaves_the_question_to_the_restart(incoming: Incoming) -> None:
    incoming.queue.close()
    message = await incoming.mention("Hello?")
    await incoming.intake.take(message)
    assert incoming.stage.texts() == ["I am restarting. I will answer this when I am back."]
    assert await incoming.unfinished() == [message.id]


async def test_a_failed_read_gives_the_ticket_back(incoming: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(incoming.reader, "read", fail)
    message = await incoming.mention("Hello?")
    with pytest.raises(RuntimeError):
        await incoming.intake.take(message)
    assert incoming.queue.idle
    assert await incoming.unfinished() == [message.id], "a restart tries again"


async def test_a_message_forgotten_while_it_waits_is_not_answered(paused: Incoming) -> None:
    message = await paused.mention("Hello?")
    answering = asyncio.ensure_future(paused.intake.take(message))
    await paused.stage.server.wait_for(lambda: bool(paused.stage.texts()), 10, what="the position")
    assert paused.stage.texts() == ["I answer again in a moment. Yours is next."]
    reply = paused.stage.client.running_replies.get(message.id)
    assert reply is not None
    reply.answer.take_back()
    await answering
    assert paused.stage.texts() == ["Stopped."]
    assert paused.queue.idle


async def test_a_mention_alone_is_told_when_the_message_that_it_repeats_is_deleted(paused: Incoming) -> None:
    stage = paused.stage
    repeated = await paused.mention("Do fish fly?", by="Linus")
    repeating = stage.server.send(
        stage.person("Grace"), stage.channel, f"<@{stage.server.bot.id}>", reply_to=repeated.id
    )
    answering = asyncio.create_task(paused.intake.take(await stage.receive(repeating, is_reply=True)))
    await stage.server.wait_for(lambda: len(stage.texts()) == 1, what="the position")
    await paused.editors.messages_deleted([repeated.id])
    await answering
    assert stage.texts() == ["The message you replied to is gone, so I stopped answering it. Ask me in your own words."]
    assert await paused.unfinished() == []
