"""What a restore keeps of the present database, and what it does about everything around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text

from bot.conversation.snowflake import snowflake_at
from bot.conversation.turn import ConversationKey
from bot.errors import ConfigurationError
from bot.storage import migrations
from bot.storage.backup.archive import Archive
from bot.storage.backup.restoring import Restored, restore
from bot.storage.backup.writing import back_up
from bot.storage.bot_lock import bot_lock
from bot.storage.database import Database
from bot.storage.storage import Storage
from bot.storage.tables import AcceptedQuestion, Persona, SeenMessage, Turn
from tests.storage.backup.rows import ORIGIN, TURN, awkward_rows, insert_rows, names_in, now_id, place_of
from tests.storage.backup.test_damage import with_manifest
from tests.storage.stored import ADA, ELSEWHERE, GRACE, HERE, everything, keep, open_storage, quote, reply_id, turn

SECRET = "SECRET"
EVE, LEFT = 33, ConversationKey(3)


async def backed_up(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "backup.zip"
    await back_up(place_of(url, tmp_path / "bot").database, path, ORIGIN)
    return path


async def erase_in_every_way(storage: Storage) -> None:
    conversations = storage.conversations
    await conversations.edit(10, "Nothing", [])
    await conversations.erase([20])
    await conversations.erase([reply_id(turn(30))])
    await conversations.erase([5])
    await conversations.forget(ADA, frozenset({HERE.channel_id}))
    await conversations.forget(EVE, None)
    await conversations.erase_channels([LEFT.channel_id])


async def test_what_was_erased_since_stays_gone(database_url: str, tmp_path: Path) -> None:
    async with open_storage(database_url) as storage:
        await keep(
            storage,
            turn(10, "SECRET edited", by=GRACE),
            turn(20, "SECRET deleted", by=GRACE),
            turn(30, "SECRET answer deleted", by=GRACE),
            turn(40, "Public, with a quote", by=GRACE, quotes=[quote(5, "SECRET quoted", by=GRACE)]),
            turn(50, "SECRET forgotten here", by=ADA),
            turn(60, "SECRET forgotten everywhere", by=EVE, key=ELSEWHERE),
            turn(70, "SECRET in a deleted channel", by=GRACE, key=LEFT),
            turn(80, "Public, by another", by=GRACE, key=ELSEWHERE),
            turn(90, "Public, elsewhere", by=ADA, key=ELSEWHERE),
        )
    path = await backed_up(database_url, tmp_path)
    with Archive.open(path) as archive:
        assert str([list(archive.rows(table)) for table in ("turns", "quotes")]).count("SECRET") == 7
    async with open_storage(database_url) as storage:
        await erase_in_every_way(storage)
    for _ in range(2):  # the record outlives a restore
        await restore(place_of(database_url, tmp_path / "bot"), path)
        rows = str(await everything(database_url))
        assert "SECRET" not in rows
        assert rows.count("Public") == 3


async def test_what_was_asked_after_forgetting_comes_back(database_url: str, tmp_path: Path) -> None:
    async with open_storage(database_url) as storage:
        await storage.conversations.forget(ADA, None)
        await keep(storage, turn(10, "Asked later"))
    path = await backed_up(database_url, tmp_path)
    await restore(place_of(database_url, tmp_path / "bot"), path)
    assert "Asked later" in str((await everything(database_url))["turns"])


async def test_nothing_is_answered_again_and_nothing_open_is_lost(database_url: str, tmp_path: Path) -> None:
    """Question 1 was open at the backup and answered since; 2 is open since before it, 3 since after it; 4 is old."""
    first = now_id()
    one, two, three = (turn(first + number) for number in range(3))
    old = turn(snowflake_at(datetime.now(UTC) - timedelta(days=3)))
    async with open_storage(database_url) as storage:
        for each in (old, one, two):
            await storage.work.accept(each.id, each.key, ADA)
    path = await backed_up(database_url, tmp_path)
    async with open_storage(database_url) as storage:
        await storage.work.delivered(one.id)
        await storage.work.delivered(old.id)
        await storage.work.accept(three.id, three.key, ADA, interaction={"token": "t", "target": None})
        await storage.work.replied(three.id, 0, reply_id(three))
        await storage.work.forget_seen_before(one.id)  # as recovery does
    await restore(place_of(database_url, tmp_path / "bot"), path)
    async with open_storage(database_url) as storage:
        unfinished = await storage.work.unfinished()
        assert [each.message_id for each in unfinished] == [two.id, three.id]
        assert (unfinished[1].interaction, unfinished[1].reply_ids) == (
            {"token": "t", "target": None},
            (reply_id(three),),
        )
        assert await storage.work.unseen([one.id, two.id, three.id]) == set()


async def test_open_questions_of_an_old_backup_are_not_answered(sqlite_url: str, tmp_path: Path) -> None:
    accepted = awkward_rows()[AcceptedQuestion][0]
    old = accepted | {"message_id": snowflake_at(datetime.now(UTC) - timedelta(hours=3))}
    await insert_rows(sqlite_url, {AcceptedQuestion: [accepted, old]})
    path = await backed_up(sqlite_url, tmp_path)
    for hours, left in ((4, 2), (2, 1), (0, 0)):
        url = f"sqlite:///{tmp_path}/{hours}.sqlite3"
        await restore(place_of(url, tmp_path / "bot", missed_for=timedelta(hours=hours)), path)
        assert len((await everything(url))["accepted_questions"]) == left


async def test_the_present_database_is_kept_and_only_the_newest_three(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "Backed up"}]})
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    await insert_rows(sqlite_url, {Persona: [{"place_id": 2, "text": "Since"}]})
    since = await everything(sqlite_url)
    restored = await restore(place, path)
    assert isinstance(restored, Restored)
    assert restored.kept is not None
    await restore(place, restored.kept)
    assert await everything(sqlite_url) == since
    for _ in range(3):
        await restore(place, path)
    assert len(names_in(place.backups)) == 3
    assert place.backups.stat().st_mode & 0o777 == 0o700


async def test_a_backup_of_older_tables_is_migrated(database_url: str, tmp_path: Path) -> None:
    database = await Database.open(database_url)
    async with database.begin() as connection:
        await connection.run_sync(lambda plain: Turn.metadata.drop_all(plain))
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(migrations.upgrade, "0006")
        await connection.execute(
            text(
                "INSERT INTO turns (id, channel_id, memory_person_id, first_id, depth, author_id, text, files, answer,"
                " erased, version, quote_message_id, quote_author_id, quote_author_name, quote_text, quote_files)"
                " VALUES (8, 1, 0, 7, 1, 1, 'Hi', '[]', 'So.', FALSE, 1, 3, 2, 'Grace', 'Ho', '[]')"
            )
        )
    await database.close()
    place = place_of(database_url, tmp_path / "bot")
    manifest = await back_up(place.database, tmp_path / "backup.zip", ORIGIN)
    assert (manifest.revision, manifest.rows) == ("0006", 1)
    await restore(place, tmp_path / "backup.zip")
    rows = await everything(database_url)
    assert rows["quotes"] == [(8, 0, 3, 2, "Grace", "Ho", [], "replied_to")]


async def test_a_newer_database_is_left_alone(database_url: str, tmp_path: Path) -> None:
    await insert_rows(database_url, awkward_rows())
    path = await backed_up(database_url, tmp_path)
    database = await Database.open(database_url)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"belongs to a newer version.*take that version back.* downgrade`"):
        await restore(place_of(database_url, tmp_path / "bot"), path)
    async with database.connect() as connection:
        assert len((await connection.execute(select(Turn.__table__))).all()) == 3
    await database.close()


async def test_a_backup_older_than_the_record_needs_force(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, awkward_rows())
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    old = with_manifest(path, made_at=str(datetime.now(UTC) - timedelta(days=366)))
    with pytest.raises(ConfigurationError, match=r"on record for 365 days only.*--force"):
        await restore(place, old)
    assert isinstance(await restore(place, old, force=True), Restored)


async def test_the_disk_cache_is_emptied(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, awkward_rows())
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    block = place.disk_cache / "identity" / "block"
    block.parent.mkdir(parents=True)
    block.write_bytes(b"Words")
    await restore(place, path)
    assert not block.exists()


async def test_replaced_text_leaves_the_files(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "Kept"}]})
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    await insert_rows(sqlite_url, {Turn: [{**TURN, "id": 1, "answer": SECRET * 5000}]})
    await restore(place, path)
    file = Path(make_url(sqlite_url).database or "")
    assert SECRET.encode() not in b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))


async def test_a_bot_elsewhere_must_be_stopped(database_url: str, tmp_path: Path) -> None:
    await insert_rows(database_url, {SeenMessage: [{"id": 1, "question_id": None}]})
    path = await backed_up(database_url, tmp_path)
    async with bot_lock(tmp_path / "other", place_of(database_url, tmp_path).database):
        with pytest.raises(ConfigurationError, match=r"another DATA_DIR, perhaps on another machine, uses the"):
            await restore(place_of(database_url, tmp_path / "bot"), path)
    assert not place_of(database_url, tmp_path / "bot").staged.exists()
