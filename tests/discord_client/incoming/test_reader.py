"""What becomes of a message: its text, what it replies to, and where its thread began."""

from __future__ import annotations

import pytest

from bot.conversation.turn import Quote
from tests.discord_client.incoming.conftest import Incoming

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_question_is_complete_with_text_quote_and_files(incoming: Incoming) -> None:
    # Discord shows a message that mentions the bot even without the message-content intent.
    quoted = await incoming.mention("Our boat is called Minnow.", by="Ada")
    message = await incoming.mention("What is it called?", reply_to=quoted.id, files=[("a.txt", b"Hi")])
    question = (await incoming.reader.read(message)).question
    assert question is not None
    assert question.asked.text == "What is it called?"
    assert question.asked.quote == Quote(quoted.id, quoted.author.id, "Ada", "Our boat is called Minnow.")
    assert [(file.name, file.text) for file in question.asked.files] == [("a.txt", "Hi")]
    assert (question.reply_to, question.thread_starter) == (quoted.id, None)


async def test_an_answer_of_the_bot_is_no_quote(incoming: Incoming) -> None:
    answer = await (await incoming.mention("Hello?")).reply("Hi")
    question = (await incoming.reader.read(await incoming.mention("And?", reply_to=answer.id))).question
    assert question is not None
    assert question.asked.quote is None
    assert question.reply_to == answer.id


async def test_the_starter_of_a_thread_is_read_on_demand(incoming: Incoming) -> None:
    server, channel = incoming.stage.server, incoming.stage.server.channels[0].id
    starter = await incoming.mention("Our boat is called Minnow.", by="Ada", channel=channel)
    thread = await server.create_thread(incoming.stage.person("Ada"), channel, "Boat", message_id=starter.id)
    message = await incoming.mention("What is it called?", by="Ada", channel=thread)
    question = (await incoming.reader.read(message)).question
    assert question is not None
    assert question.asked.quote is None
    assert question.thread_starter is not None
    quote = await question.thread_starter()
    assert quote == Quote(starter.id, starter.author.id, "Ada", "Our boat is called Minnow.")


async def test_a_channel_has_no_starter(incoming: Incoming) -> None:
    message = await incoming.mention("Hello?", channel=incoming.stage.server.channels[0].id)
    question = (await incoming.reader.read(message)).question
    assert question is not None
    assert question.thread_starter is not None
    assert await question.thread_starter() is None
