"""How the bot is asked in each channel: one channel's mode is no other's, and survives restarts and outages."""

from __future__ import annotations

import asyncio

import pytest

from bot.conversation.channel_modes import ChannelMode, ChannelModes, ModeSetting
from bot.storage.mode_store import DatabaseModeStore
from tests.conversation.memory import Memory

CHANNEL, THREAD, OTHER = 1, 2, 3


async def opened(memory: Memory) -> ChannelModes:
    """The modes as after a start."""
    modes = ChannelModes(DatabaseModeStore(memory.journal))
    await modes.load()
    return modes


def mode_of(modes: ChannelModes, *scopes: int) -> ChannelMode | None:
    setting = modes.setting(scopes)
    return None if setting is None else setting.mode


@pytest.mark.parametrize("restarts", [False, True], ids=["in memory", "after a restart"])
async def test_a_thread_has_its_channels_mode_until_it_gets_its_own(memory: Memory, restarts: bool) -> None:
    modes = await opened(memory)
    seen = []
    for channel, mode in ((CHANNEL, ChannelMode.FREE), (THREAD, ChannelMode.MENTION), (THREAD, None), (CHANNEL, None)):
        if mode is None:
            assert await modes.clear(channel)
        else:
            assert await modes.set(ModeSetting(channel, mode, 100))
        if restarts:
            modes = await opened(memory)
        seen.append((mode_of(modes, CHANNEL), mode_of(modes, THREAD, CHANNEL), mode_of(modes, OTHER)))
    free, mention = ChannelMode.FREE, ChannelMode.MENTION
    assert seen == [(free, free, None), (free, mention, None), (free, free, None), (None, None, None)]


async def test_a_later_mode_replaces_the_earlier_one_with_its_time(memory: Memory) -> None:
    modes = await opened(memory)
    await modes.set(ModeSetting(CHANNEL, ChannelMode.FREE, 100))
    await modes.set(ModeSetting(CHANNEL, ChannelMode.THREADS, 200))
    assert (await opened(memory)).setting([CHANNEL]) == ModeSetting(CHANNEL, ChannelMode.THREADS, 200)


async def test_a_deleted_channel_leaves_no_mode(memory: Memory) -> None:
    modes = await opened(memory)
    for channel in (CHANNEL, OTHER):
        await modes.set(ModeSetting(channel, ChannelMode.FREE, 100))
    modes.drop({CHANNEL})
    await memory.store.erase_channels({CHANNEL})
    for each in (modes, await opened(memory)):
        assert [setting.channel_id for setting in each.all()] == [OTHER]


async def test_a_change_during_an_outage_holds_at_once_and_is_stored_after_it(memory: Memory) -> None:
    modes = await opened(memory)
    await modes.set(ModeSetting(CHANNEL, ChannelMode.FREE, 100))
    with memory.locked():
        assert not await modes.set(ModeSetting(CHANNEL, ChannelMode.MENTION, 200))
        assert not await modes.set(ModeSetting(OTHER, ChannelMode.FREE, 201))
        assert (mode_of(modes, CHANNEL), mode_of(modes, OTHER)) == (ChannelMode.MENTION, ChannelMode.FREE)
    while memory.journal.behind:  # noqa: ASYNC110 - the journal has no event for it
        await asyncio.sleep(0.005)
    restarted = await opened(memory)
    assert (mode_of(restarted, CHANNEL), mode_of(restarted, OTHER)) == (ChannelMode.MENTION, ChannelMode.FREE)


async def test_modes_that_cannot_be_read_at_the_start_are_read_later(memory: Memory) -> None:
    await (await opened(memory)).set(ModeSetting(CHANNEL, ChannelMode.FREE, 100))
    tried, again = asyncio.Event(), asyncio.Event()

    async def pause(_: float) -> None:
        tried.set()
        await again.wait()

    modes = ChannelModes(DatabaseModeStore(memory.journal), pause)
    await memory.close_connections()
    with memory.lost():
        loading = asyncio.create_task(modes.load())
        await tried.wait()
        assert mode_of(modes, CHANNEL) is None
        modes.drop({OTHER})
    again.set()
    await loading
    assert mode_of(modes, CHANNEL) is ChannelMode.FREE
