"""What becomes of a message: its text, what it replies to, and where its thread began."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import discord
import pytest
import pytest_asyncio

from bot.conversation.turn import Quote, TextFile
from bot.demo.loopback.faults.connections import ConnectionFault
from bot.discord_client.incoming import quoted_message as module
from bot.discord_client.incoming.remarks import GREETING
from tests.discord_client.incoming.conftest import Incoming

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_question_is_complete_with_text_quote_and_files(incoming: Incoming) -> None:
    # Discord shows a message that mentions the bot even without the message-content intent.
    quoted = await incoming.mention("Our boat is called Minnow.", by="Ada")
    message = await incoming.mention("What is it called?", reply_to=quoted.id, files=[("a.txt", b"Hi")])
    question = (await incoming.reader.read(message)).question
    assert question is not None
    assert question.asked.text == "What is it called?"
    assert question.asked.quotes == (Quote(quoted.id, quoted.author.id, "Ada", "Our boat is called Minnow."),)
    assert question.asked.files == (TextFile(message.attachments[0].id, "a.txt", "Hi"),)
    assert (question.reply_to, question.thread_starter) == (quoted.id, None)


async def test_what_the_bot_says_is_quoted_but_is_no_question(incoming: Incoming) -> None:
    """Whether the conversation holds it turns out when the question's turn comes."""
    notice = await (await incoming.mention("Hello?")).reply("My queue is full.")
    question = (await incoming.reader.read(await incoming.mention("Why?", reply_to=notice.id))).question
    assert question is not None
    assert question.asked.quotes == (Quote(notice.id, incoming.stage.server.bot.id, "Phi", "My queue is full."),)
    assert question.reply_to == notice.id
    greeting = await (await incoming.mention("")).reply(f"<@1>, <@2>: {GREETING}")
    follows = (await incoming.reader.read(await incoming.mention("Why?", reply_to=greeting.id))).question
    assert follows is not None
    assert follows.asked.quotes == (), "it only asks as it was told to"
    bare = await incoming.mention("", reply_to=notice.id)
    assert incoming.reader.invitation(bare) == GREETING


async def test_the_starter_of_a_thread_is_read_on_demand(incoming: Incoming) -> None:
    server, channel = incoming.stage.server, incoming.stage.server.channels[0].id
    starter = await incoming.mention("Our boat is called Minnow.", by="Ada", channel=channel)
    thread = await server.create_thread(incoming.stage.person("Ada"), channel, "Boat", message_id=starter.id)
    message = await incoming.mention("What is it called?", by="Ada", channel=thread)
    question = (await incoming.reader.read(message)).question
    assert question is not None
    assert question.asked.quotes == ()
    assert question.thread_starter is not None
    quote = await question.thread_starter()
    assert quote == Quote(starter.id, starter.author.id, "Ada", "Our boat is called Minnow.")


@dataclass(frozen=True)
class InThread:
    """A question in a thread whose first message the client does not remember."""

    incoming: Incoming
    message: discord.Message
    starter_id: int

    async def read(self) -> Quote | None:
        read = await self.incoming.reader.read(self.message)
        assert read.question is not None
        assert read.question.thread_starter is not None
        return await read.question.thread_starter()

    @property
    def path(self) -> str:
        return f"*/messages/{self.starter_id}"


@pytest_asyncio.fixture(loop_scope="session")
async def in_thread(incoming: Incoming) -> AsyncIterator[InThread]:
    server, channel = incoming.stage.server, incoming.stage.server.channels[0].id
    starter = await incoming.mention("Our boat is called Minnow.", by="Ada", channel=channel)
    thread = await server.create_thread(incoming.stage.person("Ada"), channel, "Boat", message_id=starter.id)
    message = await incoming.mention("What is it called?", by="Ada", channel=thread)
    forget_messages(incoming.stage.client)
    yield InThread(incoming, message, starter.id)
    server.end_faults()


def forget_messages(client: discord.Client) -> None:
    """Forget all messages, as a restart does."""
    for message in client.cached_messages:
        client._connection._messages.remove(message)  # type: ignore[union-attr]


async def test_a_starter_that_the_client_does_not_remember_is_fetched(in_thread: InThread) -> None:
    quote = await in_thread.read()
    assert quote is not None
    assert (quote.message_id, quote.text) == (in_thread.starter_id, "Our boat is called Minnow.")


@pytest.mark.parametrize(
    ("status", "code"), [(400, 50035), (401, 0), (403, 50001), (403, 50013), (404, 10003), (404, 10008), (404, 0)]
)
async def test_a_starter_that_discord_refuses_is_left_out(in_thread: InThread, status: int, code: int) -> None:
    in_thread.incoming.stage.server.fail_next("GET", in_thread.path, status, code=code)
    assert await in_thread.read() is None


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_starter_that_takes_too_long_is_left_out(
    in_thread: InThread, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    in_thread.incoming.stage.server.fail_next("GET", in_thread.path, status, retry_after=1.0)
    assert await in_thread.read() is None


@pytest.mark.parametrize("how", list(ConnectionFault))
async def test_a_broken_connection_leaves_the_starter_out_or_is_bridged(
    in_thread: InThread, how: ConnectionFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    in_thread.incoming.stage.server.break_next("GET", in_thread.path, how, times=None)
    assert await in_thread.read() is None


async def test_a_channel_has_no_starter(incoming: Incoming) -> None:
    message = await incoming.mention("Hello?", channel=incoming.stage.server.channels[0].id)
    question = (await incoming.reader.read(message)).question
    assert question is not None
    assert question.thread_starter is not None
    assert await question.thread_starter() is None
