"""`/channel mode`: who may set it, where it holds, and what happens without the message-content intent."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.loopback import LoopbackDiscord, LoopbackError
from tests.end_to_end.asking_by_mode import INTENT, channel_in, is_not_asked, reading_all, set_mode, shown
from tests.end_to_end.commands import use
from tests.end_to_end.stage import Stage, online

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    async with reading_all(tiny_chat_model_dir) as stage:
        yield stage


async def test_only_moderators_set_a_mode(stage: Stage) -> None:
    channel = stage.discord.add_channel("moderated").id
    thread = await stage.discord.create_thread(stage.ada.id, channel, "a thread")
    for where, permission in ((channel, "Manage Channels"), (thread, "Manage Threads")):
        refused = await set_mode(stage, stage.grace, where, "free")
        assert refused.startswith(f"You need the permission {permission} to change how I am asked in <#{where}>.")
        assert (await use(stage, stage.grace, where, "channel clear"))["content"] == refused
    # The permission counts where the mode is set, not where the command is used.
    elsewhere = stage.discord.add_channel("hers").id
    stage.discord.set_permissions(stage.grace.id, elsewhere, allow=["manage_channels"])
    assert "Manage Channels" in await set_mode(stage, stage.grace, elsewhere, "free", where=channel)
    assert (await set_mode(stage, stage.grace, channel, "free", where=elsewhere)).startswith("From now on")
    stage.discord.set_permissions(stage.grace.id, channel, allow=["manage_threads"])
    assert "Manage Channels" in await set_mode(stage, stage.grace, channel, "free")
    assert (await set_mode(stage, stage.grace, thread, "free")).startswith("From now on")
    assert "mention me" in await shown(stage, stage.grace, channel)


async def test_one_channels_mode_is_no_other_channels(stage: Stage) -> None:
    free, other = await channel_in(stage, "free-here", "free"), stage.discord.add_channel("not-there").id
    question = await stage.discord.send(stage.grace.id, free, "What is the capital of France?")
    assert len(await stage.answer(stage.grace, free, question)) == 1
    await is_not_asked(stage, stage.grace, other, "What is the capital of Spain?")


async def test_a_thread_follows_its_channel_until_it_gets_a_mode(stage: Stage) -> None:
    channel = await channel_in(stage, "inherited", "free")
    thread = await stage.discord.create_thread(stage.ada.id, channel, "a thread")
    question = await stage.discord.send(stage.ada.id, thread, "What is the capital of France?")
    assert await stage.answer(stage.ada, thread, question)
    assert f"That is set for its channel, <#{channel}>." in await shown(stage, stage.grace, thread)

    await set_mode(stage, stage.ada, thread, "mention")
    await is_not_asked(stage, stage.ada, thread, "And of Spain?")
    assert f"That is set for <#{thread}>." in await shown(stage, stage.grace, thread)

    cleared = await use(stage, stage.ada, thread, "channel clear")
    assert cleared["content"] == f"<#{thread}> follows its channel from now on."
    question = await stage.discord.send(stage.ada.id, thread, "And of Italy?")
    assert await stage.answer(stage.ada, thread, question)


async def test_what_cannot_be_set_says_why(stage: Stage) -> None:
    channel, voice = stage.discord.add_channel("text").id, stage.discord.add_channel("talk", "voice").id
    thread = await stage.discord.create_thread(stage.ada.id, channel, "a thread")
    assert (await set_mode(stage, stage.ada, thread, "threads")).startswith("A thread has no threads.")
    assert (await set_mode(stage, stage.ada, voice, "threads")).startswith("That channel has no threads.")
    private = await stage.discord.open_dm(stage.grace.id)
    line = "In a direct message everything you write is a question. Use this command in a server's channel."
    assert await set_mode(stage, stage.grace, private, "free") == line
    assert await shown(stage, stage.grace, private) == line


async def test_threads_without_permission_are_announced_when_they_are_set(stage: Stage) -> None:
    channel = stage.discord.add_channel("no-threads").id
    bot = stage.discord.bot.id
    stage.discord.set_permissions(bot, channel, deny=["send_messages"])
    assert (await set_mode(stage, stage.ada, channel, "threads")).endswith("in which nobody needs to mention me.")
    stage.discord.set_permissions(bot, channel, deny=["create_public_threads"])
    answer = await set_mode(stage, stage.ada, channel, "threads")
    assert answer.endswith(
        "Give me the permission Create Public Threads there; until then I answer in the channel itself."
    )


@pytest.mark.parametrize(
    ("kind", "mode", "denied", "permission"),
    [
        ("text", "free", "view_channel", "View Channel"),
        ("text", "free", "send_messages", "Send Messages"),
        ("text", "threads", "view_channel", "View Channel"),
        ("forum", "threads", "send_messages_in_threads", "Send Messages in Threads"),
        ("forum", "free", "view_channel", "View Channel"),
    ],
)
async def test_what_keeps_the_bot_from_answering_is_announced_when_a_mode_is_set(
    stage: Stage, kind: str, mode: str, denied: str, permission: str
) -> None:
    channel = stage.discord.add_channel(f"{kind}-{mode}-{denied}", kind).id
    stage.discord.set_permissions(stage.discord.bot.id, channel, deny=[denied])
    answer = await set_mode(stage, stage.ada, stage.discord.channels[0].id, mode, where=channel)
    assert answer.endswith(f" Give me the permission {permission} there; until then I answer nothing.")


async def test_modes_are_for_servers_with_the_bot(stage: Stage) -> None:
    stage.discord.install_app(stage.ada.id)
    foreign = stage.discord.add_server("Chess club").channels[0].id
    with pytest.raises(LoopbackError, match="not installed here"):
        await set_mode(stage, stage.ada, foreign, "free")
    refused = await use(stage, stage.ada, foreign, "persona clear", where="server")
    assert refused["content"] == "I am no member of this server. Leave `where` at `here`."


@pytest.mark.parametrize("is_granted", [False, True])
async def test_without_the_intent_a_mode_is_refused_with_the_way_out(
    tiny_chat_model_dir: Path, is_granted: bool
) -> None:
    async with (
        LoopbackDiscord(granted_intents=[INTENT] if is_granted else []) as discord,
        online(tiny_chat_model_dir, discord, max_new_tokens=20) as stage,
    ):
        channel = discord.channels[1].id
        for mode in ("threads", "free"):
            answer = await set_mode(stage, stage.ada, channel, mode)
            assert answer.startswith("Nothing changed: Discord does not show me messages that do not mention me.")
            assert answer.endswith("set MESSAGE_CONTENT_INTENT=true and restart me.")
            assert ("discord.com/developers" in answer) is not is_granted
        assert (await set_mode(stage, stage.ada, channel, "mention")).startswith("From now on")
        await is_not_asked(stage, stage.grace, channel, "What is the capital of France?")


async def test_modes_wait_for_an_intent_that_was_taken_back(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            free = await channel_in(stage, "free", "free")
            threads = await channel_in(stage, "threads", "threads")
        with caplog.at_level(logging.WARNING):
            async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=20) as stage:
                for channel in (free, threads):
                    await is_not_asked(stage, stage.grace, channel, "What is the capital of France?")
                    line = await shown(stage, stage.grace, channel)
                    assert "is set, but I only answer mentions" in line
                    assert "MESSAGE_CONTENT_INTENT=true" in line
        warnings = [record.getMessage() for record in caplog.records if "not in force" in record.getMessage()]
        assert len(warnings) == 1
        assert f"channels={free},{threads}" in warnings[0]
