"""Migrations create the tables of `bot.storage.tables`."""

from __future__ import annotations

import asyncio
import logging

import asyncpg  # type: ignore[import-untyped]
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect, select, text

from bot.errors import ConfigurationError
from bot.storage.database import Database
from bot.storage.migrations import current_revision, newest_revision, upgrade
from bot.storage.tables import AcceptedQuestion, Quote, Table, Turn


def differences(connection: Connection) -> list[object]:
    """The operations that would turn the database into what tables.py describes."""
    return list(compare_metadata(MigrationContext.configure(connection), Table.metadata))


def key_names(connection: Connection) -> dict[str, str | None]:
    """The name of each table's primary key, which `compare_metadata` ignores."""
    inspector = inspect(connection)
    return {name: inspector.get_pk_constraint(name)["name"] for name in Table.metadata.tables}


async def table_names(database: Database) -> set[str]:
    async with database.connect() as connection:
        return set(await connection.run_sync(lambda plain: inspect(plain).get_table_names()))


async def test_the_migrations_make_the_tables(database: Database) -> None:
    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []
        names = await connection.run_sync(key_names)
    assert names == {name: f"pk_{name}" for name in Table.metadata.tables}


async def test_the_comparison_sees_a_difference(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE personas"))
        await connection.execute(text("DROP INDEX ix_replies_question_id"))
    async with database.connect() as connection:
        assert len(await connection.run_sync(differences)) == 2


async def test_opening_again_keeps_what_is_there(database: Database, database_url: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text("INSERT INTO seen_messages (id) VALUES (7)"))
    again = await Database.open(database_url)
    async with again.connect() as connection:
        assert (await connection.execute(text("SELECT id FROM seen_messages"))).scalars().all() == [7]
    await again.close()


def back_to(connection: Connection, revision: str) -> None:
    """Make the tables of an older version, and nothing else."""
    tables = MetaData()
    tables.reflect(connection)
    tables.drop_all(connection)
    upgrade(connection, revision)


async def test_a_migration_may_take_longer_than_any_other_statement(postgresql_url: str) -> None:
    database = await Database.open(postgresql_url)
    async with database.begin() as connection:
        await connection.run_sync(back_to, "0001")
    await database.close()
    backup = await asyncpg.connect(postgresql_url)
    reading = backup.transaction()
    await reading.start()
    await backup.execute("SELECT * FROM alembic_version")  # which the migration has to wait for
    opening = asyncio.create_task(Database.open(postgresql_url, server_seconds=0.3))
    done, _ = await asyncio.wait([opening], timeout=1.0)
    assert not done
    await reading.rollback()
    await backup.close()
    database = await opening
    async with database.connect() as connection:
        assert await connection.run_sync(current_revision) == newest_revision()
    await database.close()


async def test_turns_of_the_first_version_are_kept(database: Database, database_url: str) -> None:
    async with database.begin() as connection:
        await connection.run_sync(back_to, "0001")
        await connection.execute(
            text(
                "INSERT INTO turns (id, channel_id, memory_person_id, first_id, depth, text, files, answer, erased)"
                " VALUES (7, 1, 0, 7, 0, 'Hi', '[]', 'Ho', FALSE)"
            )
        )
        await connection.execute(
            text("INSERT INTO accepted_questions (message_id, channel_id, author_id) VALUES (8, 1, 2)")
        )
    again = await Database.open(database_url)
    async with again.connect() as connection:
        (turn,) = (await connection.execute(select(Turn.__table__))).all()
        (accepted,) = (await connection.execute(select(AcceptedQuestion.__table__))).all()
        assert await connection.run_sync(differences) == []
    assert (turn.text, turn.version, turn.summary_id) == ("Hi", 1, None)
    assert (accepted.task, accepted.interaction) == ("answer", None)
    await again.close()


async def test_quotes_of_the_second_version_are_kept(database: Database, database_url: str) -> None:
    async with database.begin() as connection:
        await connection.run_sync(back_to, "0002")
        await connection.execute(
            text(
                "INSERT INTO turns (id, channel_id, memory_person_id, first_id, depth, author_id, text, files, answer,"
                " erased, quote_message_id, quote_author_id, quote_author_name, quote_text, quote_files)"
                " VALUES (7, 1, 0, 7, 0, 1, 'Hi', '[]', 'So.', FALSE, NULL, NULL, NULL, NULL, '[]'),"
                " (8, 1, 0, 7, 1, 1, '', '[]', 'So.', FALSE, 3, 2, 'Grace', 'Ho', :files)"
            ),
            {"files": '[{"id": 4}]'},
        )
    again = await Database.open(database_url)
    async with again.connect() as connection:
        turns = (await connection.execute(select(Turn.id, Turn.text).order_by(Turn.id))).all()
        (quote,) = (await connection.execute(select(Quote.__table__))).all()
        assert await connection.run_sync(differences) == []
        assert (await connection.run_sync(key_names))["turns"] == "pk_turns"
    assert [tuple(turn) for turn in turns] == [(7, "Hi"), (8, "")]
    assert tuple(quote) == (8, 0, 3, 2, "Grace", "Ho", [{"id": 4}], "replied_to")
    await again.close()


async def test_a_newer_database_is_refused_and_left_alone(database: Database, database_url: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = await table_names(database)
    with pytest.raises(ConfigurationError, match=r"newer version of the bot.*9999.*install the newest bot"):
        await Database.open(database_url)
    assert await table_names(database) == before


async def test_another_programs_tables_are_refused_and_no_table_is_left_behind(
    database: Database, database_url: str
) -> None:
    async with database.begin() as connection:
        for name in ("alembic_version", "conversations", "turns"):
            await connection.execute(text(f"DROP TABLE {name}"))
    with pytest.raises(
        ConfigurationError, match=r"accepted_questions.* already exists.*(only the bot uses|of its own)"
    ):
        await Database.open(database_url)
    assert not await table_names(database) & {"alembic_version", "conversations", "turns"}


async def test_alembic_leaves_our_log_alone(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    handlers = list(logging.getLogger().handlers)
    caplog.set_level(logging.INFO)
    await (await Database.open(database_url)).close()
    await (await Database.open(database_url)).close()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert len(lines) == 1
    assert lines[0].startswith("Database migrated version=")
    assert logging.getLogger().handlers == handlers
