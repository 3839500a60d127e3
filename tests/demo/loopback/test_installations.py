"""Where the application is installed, and what a bot gets and may do there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.demo.loopback import UNLIMITED, LoopbackDiscord, LoopbackError, Server
from tests.demo.loopback.client import raw_client
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot
from tests.demo.loopback.test_interactions import last_message

FOLLOWUPS_HIT = 40094


class InstalledBot(SampleBot):
    """A bot with commands for servers, for accounts and for both."""

    def __init__(self) -> None:
        super().__init__()
        self.used: list[discord.Interaction] = []
        self.tree.clear_commands(guild=None)

        @self.tree.command(description="Everywhere")
        @app_commands.allowed_installs(guilds=True, users=True)
        @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
        async def anywhere(interaction: discord.Interaction) -> None:
            self.used.append(interaction)
            await interaction.response.send_message("here")

        @self.tree.command(description="In servers")
        @app_commands.allowed_installs(guilds=True, users=False)
        @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
        async def servers(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("here")

        @self.tree.command(description="In DMs of people")
        @app_commands.allowed_installs(guilds=False, users=True)
        @app_commands.allowed_contexts(guilds=False, dms=False, private_channels=True)
        async def privately(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("here")

        @self.tree.context_menu(name="Explain it")
        @app_commands.allowed_installs(guilds=True, users=True)
        @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
        async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
            self.used.append(interaction)
            await interaction.response.send_message(f"it says: {message.content}")


@pytest.fixture
async def installed_bot(server: LoopbackDiscord) -> AsyncIterator[InstalledBot]:
    bot = InstalledBot()
    async with running(bot, server):
        yield bot


@pytest.fixture
def foreign(server: LoopbackDiscord) -> Server:
    return server.add_server("Book club")


def names(server: LoopbackDiscord, person_id: int, channel_id: int) -> list[str]:
    return [command["path"][0] for command in server.commands_of(person_id, channel_id)]


async def test_a_person_sees_the_commands_of_the_place(
    server: LoopbackDiscord, installed_bot: InstalledBot, foreign: Server
) -> None:
    ada, grace = server.people[0].id, server.people[1].id
    general, lounge = server.channels[0].id, foreign.channels[0].id
    dm, between = await server.open_dm(ada), server.open_private_channel(ada, grace)
    assert [names(server, ada, place) for place in (general, dm, lounge, between)] == [
        *(["anywhere", "servers"], ["anywhere"], [], [])
    ]
    server.install_app(ada)
    assert [names(server, ada, place) for place in (general, dm, lounge, between)] == [
        *(["anywhere", "servers"], ["anywhere"], ["anywhere"], ["anywhere", "privately"])
    ]
    assert server.message_commands_of(ada, lounge) == ["Explain it"]
    assert names(server, grace, lounge) == []
    with pytest.raises(LoopbackError, match="not installed here"):
        await server.invoke(grace, lounge, ["anywhere"])
    server.uninstall_app(ada)
    assert names(server, ada, lounge) == []


async def test_an_interaction_says_where_it_comes_from(
    server: LoopbackDiscord, installed_bot: InstalledBot, foreign: Server
) -> None:
    ada, grace = server.people[0].id, server.people[1].id
    server.install_app(ada)
    general, lounge = server.channels[0].id, foreign.channels[0].id
    dm, between = await server.open_dm(ada), server.open_private_channel(ada, grace)
    for place in (general, dm, lounge, between):
        await server.invoke(ada, place, ["anywhere"])
        await last_message(server, ada, place, "here")
    in_guild, in_dm, in_foreign, in_private = installed_bot.used
    assert in_guild.context.guild
    assert in_guild.is_guild_integration()
    assert in_guild.is_user_integration()
    assert in_guild.app_permissions.send_messages
    assert in_dm.context.dm_channel
    assert in_foreign.context.guild
    assert in_foreign.guild_id == foreign.id
    assert not in_foreign.is_guild_integration()
    assert in_foreign.is_user_integration()
    assert not in_foreign.app_permissions.send_messages
    assert in_foreign.app_permissions.attach_files
    assert in_private.context.private_channel
    assert not in_private.is_guild_integration()
    assert isinstance(in_private.channel, discord.DMChannel)
    message = server.messages(grace, between)[-1]
    assert message["interaction_metadata"]["authorizing_integration_owners"] == {"1": str(ada)}


async def test_the_bot_is_blind_and_mute_where_only_a_person_installed_it(
    server: LoopbackDiscord, installed_bot: InstalledBot, foreign: Server
) -> None:
    ada, grace = server.people[0].id, server.people[1].id
    lounge, between = foreign.channels[0].id, server.open_private_channel(ada, grace)
    for place in (lounge, between):
        await server.send(ada, place, f"<@{server.bot.id}> hello")
        await server.start_typing(ada, place)
    await server.send(ada, server.channels[0].id, "in sight")
    await eventually(lambda: installed_bot.saw("message"))
    assert [message.content for message in installed_bot.saw("message")] == [""]
    assert [guild.id for guild in installed_bot.guilds] == [server.guild_id]
    async with raw_client(server) as client:
        for place in (lounge, between):
            refused = [
                await client.send(place),
                await client.edit(place, server.people[0].id),
                await client.call("GET", f"/channels/{place}"),
                await client.call("GET", f"/channels/{place}/messages"),
                await client.call("POST", f"/channels/{place}/typing"),
            ]
            assert [(answer.status, answer.code) for answer in refused] == [(403, 50001)] * len(refused)


async def test_a_menu_delivers_a_message_of_a_server_without_the_bot(
    server: LoopbackDiscord, installed_bot: InstalledBot, foreign: Server
) -> None:
    ada, grace, lounge = server.people[0].id, server.people[1].id, foreign.channels[0].id
    server.install_app(ada)
    message_id = await server.send(grace, lounge, "Call me Ishmael.")
    await server.invoke_on_message(ada, lounge, "Explain it", message_id)
    await last_message(server, grace, lounge, "it says: Call me Ishmael.")


async def test_five_followups_where_only_a_person_installed_it() -> None:
    bot = InstalledBot()
    async with LoopbackDiscord(limits=UNLIMITED) as server, running(bot, server):
        await check_followups(server, bot)


async def check_followups(server: LoopbackDiscord, installed_bot: InstalledBot) -> None:
    foreign = server.add_server("Book club")
    ada, lounge, general = server.people[0].id, foreign.channels[0].id, server.channels[0].id
    server.install_app(ada)

    async def followups(channel_id: int) -> list[Any]:
        await server.invoke(ada, channel_id, ["anywhere"])
        await last_message(server, ada, channel_id, "here")
        interaction = installed_bot.used[-1]
        async with raw_client(server) as client:
            path = f"/webhooks/{server.bot.id}/{interaction.token}?wait=true"
            return [(await client.call("POST", path, {"content": str(number)})).code for number in range(6)]

    assert await followups(lounge) == [0] * 5 + [FOLLOWUPS_HIT]
    assert await followups(general) == [0] * 6


async def test_the_portal_can_forbid_installation_to_accounts() -> None:
    async with LoopbackDiscord(user_install=False) as server:
        with pytest.raises(app_commands.CommandSyncFailure) as failure:
            async with running(InstalledBot(), server):
                pass
        assert (failure.value.status, failure.value.code) == (400, 50035)
        assert "anywhere" in str(failure.value)
        with pytest.raises(LoopbackError, match="cannot be installed to an account"):
            server.install_app(server.people[0].id)
        server.allow_user_installs(True)
        async with running(InstalledBot(), server) as bot:
            assert (await bot.application_info()).user_integration_config is not None
            server.install_app(server.people[0].id)


async def test_the_bot_joins_and_leaves_a_server_while_it_runs(
    server: LoopbackDiscord, installed_bot: InstalledBot, foreign: Server
) -> None:
    ada, lounge = server.people[0].id, foreign.channels[0].id
    server.add_bot(foreign.id)
    [guild] = await eventually(lambda: installed_bot.saw("join"))
    assert (guild.id, guild.name) == (foreign.id, "Book club")
    assert [channel.name for channel in guild.text_channels] == ["lounge"]
    await guild.text_channels[0].send("hello")
    assert [message["content"] for message in server.messages(ada, lounge)] == ["hello"]
    assert names(server, ada, lounge) == ["anywhere", "servers"]
    server.remove_bot(foreign.id)
    assert await eventually(lambda: installed_bot.saw("remove")) == [guild]
    assert installed_bot.get_guild(foreign.id) is None


async def test_a_group_dm(server: LoopbackDiscord, installed_bot: InstalledBot) -> None:
    ada, grace, linus = (person.id for person in server.people)
    server.install_app(linus)
    group = server.open_private_channel(ada, grace, linus)
    assert server.open_private_channel(linus, grace, ada) == group
    await server.invoke(linus, group, ["anywhere"])
    await last_message(server, grace, group, "here")
    assert isinstance(installed_bot.used[0].channel, discord.GroupChannel)
    entry = server.channels_of(grace)[-1]
    assert (entry["kind"], entry["name"]) == ("private", "Ada, Linus")
