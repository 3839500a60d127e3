"""A bot's responses to interactions: by its token, and by its own requests."""

from __future__ import annotations

import asyncio

import discord
import pytest

from bot.demo.loopback import LoopbackDiscord
from bot.demo.loopback.backend import INTERACTION_SECONDS
from tests.demo.loopback.client import Answer, RawClient, raw_client
from tests.demo.loopback.conftest import eventually
from tests.demo.loopback.sample_bot import SampleBot

EPHEMERAL = 64


class Responder(SampleBot):
    """A bot that keeps its interactions, and leaves what follows to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.used: list[discord.Interaction] = []
        self.targets: list[discord.Message] = []

        @self.tree.command(description="Answer")
        async def answer(interaction: discord.Interaction, private: bool = False) -> None:
            self.used.append(interaction)
            await interaction.response.send_message("first", ephemeral=private)

        @self.tree.context_menu(name="Look")
        async def look(interaction: discord.Interaction, message: discord.Message) -> None:
            self.targets.append(message)
            await interaction.response.send_message("seen", ephemeral=True)


@pytest.fixture
def bot_class() -> type[SampleBot]:
    return Responder


async def respond(server: LoopbackDiscord, bot: SampleBot, *, private: bool = False) -> tuple[int, str]:
    """Use the command as Ada; return the first response's id and the path of the interaction's webhook."""
    assert isinstance(bot, Responder)
    ada, general = server.people[0].id, server.channels[0].id
    await server.invoke(ada, general, ["answer"], {"private": private})
    interaction = await eventually(lambda: bot.used and bot.used[-1])
    [message] = await server.wait_for(lambda: server.messages(ada, general))
    return int(message["id"]), f"/webhooks/{server.bot.id}/{interaction.token}"


async def all_by_token(client: RawClient, path: str, message_id: int) -> list[Answer]:
    return [
        await client.call("GET", f"{path}/messages/@original"),
        await client.call("PATCH", f"{path}/messages/@original", {"content": "edited"}),
        await client.call("POST", f"{path}?wait=true", {"content": "more"}),
        await client.call("PATCH", f"{path}/messages/{message_id}", {"content": "again"}),
        await client.call("DELETE", f"{path}/messages/@original"),
    ]


async def test_a_token_serves_until_it_ends(server: LoopbackDiscord, bot: SampleBot) -> None:
    message_id, path = await respond(server, bot)
    async with raw_client(server) as client:
        answers = await all_by_token(client, path, message_id)
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 204]
    assert answers[0].body["content"] == "first"


async def test_a_token_ends(server: LoopbackDiscord, bot: SampleBot) -> None:
    assert isinstance(bot, Responder)
    message_id, path = await respond(server, bot)
    server.expire_interaction(bot.used[0].id)
    async with raw_client(server) as client:
        answers = await all_by_token(client, path, message_id)
    assert [(answer.status, answer.code) for answer in answers] == [(401, 50027)] * len(answers)


async def test_the_lifetime_of_tokens_can_be_set(server: LoopbackDiscord, bot: SampleBot) -> None:
    server.set_interaction_lifetime(0.3)
    message_id, path = await respond(server, bot)
    await asyncio.sleep(0.4)
    async with raw_client(server) as client:
        assert (await client.call("GET", f"{path}/messages/@original")).code == 50027
        # The bot's own request needs no token.
        assert (await client.edit(server.channels[0].id, message_id, "at length")).status == 200


async def test_an_ephemeral_response_is_only_there_by_its_token(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    message_id, path = await respond(server, bot, private=True)
    async with raw_client(server) as client:
        refused = [
            await client.edit(general, message_id),
            await client.call("GET", f"/channels/{general}/messages/{message_id}"),
            await client.call("DELETE", f"/channels/{general}/messages/{message_id}"),
            await client.send(general, message_reference={"message_id": str(message_id)}),
        ]
        assert [(answer.status, answer.code) for answer in refused[:3]] == [(404, 10008)] * 3
        assert (refused[3].status, refused[3].code) == (400, 50035)
        assert (await client.call("PATCH", f"{path}/messages/@original", {"content": "edited"})).status == 200
        assert (await client.call("POST", path, {"content": "more", "flags": EPHEMERAL})).status == 204
    assert [message["content"] for message in server.messages(ada, general)] == ["edited", "more"]
    assert server.messages(grace, general) == []


async def test_a_menu_delivers_everything_of_its_message(server: LoopbackDiscord, bot: SampleBot) -> None:
    assert isinstance(bot, Responder)
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    with_file = await server.send(grace, general, "see", files=[("note.txt", b"hidden")])
    embedded = await server.send_by_webhook(general, "News", embeds=[{"title": "Headline"}])
    forwarded = await server.forward(grace, (general, with_file), general)
    for target in (with_file, embedded, forwarded):
        await server.invoke_on_message(ada, general, "Look", target)
    file, embed, forward = await eventually(lambda: len(bot.targets) == 3 and bot.targets)
    assert (file.content, await file.attachments[0].read()) == ("see", b"hidden")
    assert embed.embeds[0].title == "Headline"
    assert forward.message_snapshots[0].content == "see"


async def test_responses_are_private_to_who_may_not_use_external_apps(server: LoopbackDiscord, bot: SampleBot) -> None:
    linus = server.people[2].id
    lounge = server.add_server("Book club").channels[0].id
    server.install_app(linus)
    await server.invoke(linus, lounge, ["answer"])
    await server.wait_for(lambda: server.messages(linus, lounge))
    server.set_permissions(linus, lounge, deny=["use_external_apps"])
    await server.invoke(linus, lounge, ["answer"])
    messages = await server.wait_for(lambda: (seen := server.messages(linus, lounge))[1:] and seen)
    assert [message["flags"] & EPHEMERAL for message in messages] == [0, EPHEMERAL]


def test_the_lifetime_is_discords() -> None:
    assert INTERACTION_SECONDS == 15 * 60
