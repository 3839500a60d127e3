"""A fresh database for each test: a SQLite file, and a PostgreSQL database if TEST_POSTGRESQL_URL is set."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from sqlalchemy import make_url

from bot.storage.database import Database
from tests.small_disk import small_disk_at


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file in a folder; neither exists yet."""
    return f"sqlite:///{(tmp_path / 'data' / 'bot.sqlite3').as_posix()}"


@asynccontextmanager
async def _fresh_postgresql_database() -> AsyncIterator[str]:
    server = os.environ.get("TEST_POSTGRESQL_URL")
    if not server:
        pytest.skip("TEST_POSTGRESQL_URL is not set; scripts/with_postgresql.sh sets it")
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


@pytest_asyncio.fixture
async def postgresql_url() -> AsyncIterator[str]:
    """An empty database on the server, dropped after the test."""
    async with _fresh_postgresql_database() as url:
        yield url


@pytest.fixture
def as_administrator() -> Callable[[str], Awaitable[None]]:
    """Run a statement as the server's administrator."""

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(os.environ["TEST_POSTGRESQL_URL"])
        await connection.execute(statement)
        await connection.close()

    return run


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, sqlite_url: str) -> AsyncIterator[str]:
    """Run the test once with each kind of database."""
    if request.param == "sqlite":
        yield sqlite_url
        return
    async with _fresh_postgresql_database() as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = await Database.open(database_url, lock_seconds=0.1, server_seconds=1.0)
    yield opened
    await opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    with small_disk_at(tmp_path / "disk", 1024) as disk:
        yield disk


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions have no events
            await asyncio.sleep(0.005)
