"""`/help`, and a mention without a question."""

from __future__ import annotations

import pytest

from bot.demo.loopback import ApiCall, Person
from tests.end_to_end.commands import PRIVATE, use
from tests.end_to_end.stage import Payload, Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def links(stage: Stage) -> list[str]:
    """How each command is mentioned so that a click opens it."""
    ids = {command.name: command.id for command in await stage.bot.application.client.tree.fetch_commands()}
    paths = [command["path"] for command in stage.discord.commands()]
    return [f"</{' '.join(path)}:{ids[path[0]]}>" for path in paths]


def is_look_up(call: ApiCall) -> bool:
    return (call.method, call.route, call.status) == ("GET", "GET /applications/{id}/commands", 200)


async def bare_mention(stage: Stage, person: Person, channel: int) -> Payload:
    """Mention the bot without a question; return its reply."""
    message = await stage.discord.send(person.id, channel, f"<@{stage.discord.bot.id}>")
    return await stage.discord.wait_for(lambda: next(iter(stage.replies(person, channel, message)), None))


async def test_help_links_every_command_and_says_the_limits(stage: Stage) -> None:
    channel = await stage.fresh_channel("help")
    await stage.discord.wait_for(lambda: any(map(is_look_up, stage.discord.calls)))

    shown = await use(stage, stage.grace, channel, "help")

    assert shown["flags"] & PRIVATE
    expected = await links(stage)
    assert len(expected) > 5
    for link, command in zip(expected, stage.discord.commands(), strict=True):
        assert f"- {link}: {command['description']}" in shown["content"]
    assert "4,096 tokens at once, about 3,100 English words" in shown["content"]
    assert "an answer has at most 20 of them." in shown["content"]
    assert "What I cannot do" in shown["content"]
    assert len(shown["content"]) <= 2000


async def test_a_bare_mention_gets_the_same_text_and_its_answer_asks(stage: Stage) -> None:
    channel = await stage.fresh_channel("bare mention")

    greeting = await bare_mention(stage, stage.grace, channel)

    assert greeting["content"] == (await use(stage, stage.grace, channel, "help"))["content"]
    question = await stage.mention(stage.grace, channel, "What is red?", reply_to=int(greeting["id"]))
    await stage.answer(stage.grace, channel, question)
    [turn] = await stage.remembered(channel)
    assert turn.asked is not None
    assert turn.asked.quotes == (), "the text is no part of the question"


async def test_a_direct_message_has_help_too(stage: Stage) -> None:
    channel = await stage.discord.open_dm(stage.grace.id)
    assert (await bare_mention(stage, stage.grace, channel))["content"] == (
        await use(stage, stage.grace, channel, "help")
    )["content"]
