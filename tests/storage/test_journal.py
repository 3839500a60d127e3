"""Changes reach the database in the order of the calls."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.database import Database
from bot.storage.journal import Change
from tests.storage.conftest import until
from tests.storage.recording_journal import RecordingJournal, lock, open_journal, see, seen


async def test_changes_are_committed_in_the_order_of_the_calls(database_url: str) -> None:
    order: list[int] = []

    def numbered(number: int) -> Change:
        async def change(connection: AsyncConnection) -> None:
            order.append(number)
            await see(number)(connection)

        return change

    async with open_journal(database_url) as journal:
        journal.note(numbered(0))
        first = asyncio.create_task(journal.write(numbered(1)))
        await asyncio.sleep(0)
        journal.note(numbered(2))
        await journal.write(numbered(3))
        assert first.done()
        assert journal.behind == 0
        assert order == [0, 1, 2, 3]
        assert await journal.read(seen) == [0, 1, 2, 3]
        assert journal.reported == []


async def test_a_read_sees_every_change_noted_before_it(database_url: str) -> None:
    async with open_journal(database_url) as journal:
        for number in range(20):
            journal.note(see(number))
        assert await journal.read(seen) == list(range(20))


@pytest.mark.parametrize("wrong", [see(1), see(2**70)], ids=["twice", "too large"])
async def test_a_refused_change_is_raised_and_dropped(
    database_url: str, wrong: Change, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_journal(database_url) as journal:
        await journal.write(see(1))
        with pytest.raises(Exception, match=r"(?i)unique|integer|int64"):
            await journal.write(wrong)
        journal.note(wrong)
        await journal.write(see(3))
        assert await journal.read(seen) == [1, 3]
        assert journal.reported == []
    dropped = [record for record in caplog.records if record.exc_info and "Change dropped" in record.getMessage()]
    assert len(dropped) == 2


async def test_a_change_is_committed_even_if_its_writer_is_cancelled(sqlite_url: str) -> None:
    async with open_journal(sqlite_url, lock_seconds=5.0) as journal:
        with lock(sqlite_url):
            writer = asyncio.create_task(journal.write(see(1)))
            await until(lambda: journal.behind)
            writer.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writer
        assert await journal.read(seen) == [1]


async def test_closing_commits_what_is_left(database_url: str) -> None:
    database = await Database.open(database_url)
    journal = RecordingJournal(database)
    for number in range(20):
        journal.note(see(number))
    await journal.close(5.0)
    async with database.connect() as connection:
        assert await seen(connection) == list(range(20))
    with pytest.raises(RuntimeError, match="closed"):
        await journal.write(see(99))
    await journal.close(5.0)
    await database.close()


CHILD = """
    import asyncio, sys
    from sqlalchemy import insert
    from bot.storage.database import Database
    from bot.storage.journal import Journal
    from bot.storage.tables import SeenMessage

    async def main():
        journal = Journal(await Database.open(sys.argv[1]), print)
        for number in range(1_000_000):
            await journal.write(lambda connection: connection.execute(insert(SeenMessage).values(id=number)))
            print(number, flush=True)

    asyncio.run(main())
"""


async def test_a_returned_write_survives_kill_9(database_url: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(CHILD), database_url, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    for _ in range(10):
        await child.stdout.readline()
    child.kill()
    confirmed = 10 + len((await child.stdout.read()).splitlines())
    await child.wait()
    async with open_journal(database_url) as journal:
        found = await journal.read(seen)
    # The last one may be committed but unconfirmed.
    assert found in [list(range(confirmed)), list(range(confirmed + 1))]
