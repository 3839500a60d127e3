"""The channels' modes in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.storage.journal import Change, Journal
from bot.storage.rows import all_rows, insert_once
from bot.storage.tables import ChannelMode as ChannelModeRow


class DatabaseModeStore:
    """Implements `bot.conversation.channel_modes.ModeStore`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def modes(self) -> Sequence[ModeSetting]:
        """The settings of all channels."""
        query = select(ChannelModeRow.__table__)
        rows = await self._journal.read(lambda connection: all_rows(connection, query))
        return [ModeSetting(row.channel_id, ChannelMode(row.mode), row.since_id) for row in rows]

    async def set_mode(self, setting: ModeSetting) -> bool:
        """Set a channel's mode; see `ModeStore`."""
        row = {"channel_id": setting.channel_id, "mode": setting.mode, "since_id": setting.since_id}
        return await self._write(
            lambda connection: insert_once(connection, ChannelModeRow, row, update=["mode", "since_id"])
        )

    async def clear_mode(self, channel_id: int) -> bool:
        """Let a channel have no mode of its own; see `ModeStore`."""

        async def change(connection: AsyncConnection) -> None:
            await connection.execute(delete(ChannelModeRow).where(ChannelModeRow.channel_id == channel_id))

        return await self._write(change)

    async def _write(self, change: Change) -> bool:
        await self._journal.write(change)
        return self._journal.outage is None
