"""The tables of a version of the database, as a backup of that version holds them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from sqlalchemy import ColumnClause, TableClause, column, create_engine, inspect, table

from bot.storage import migrations
from bot.storage.backup.row_encoding import Kind, kind_of, sql_type

Columns: TypeAlias = Mapping[str, Kind]
"""What each column of a table holds."""


@cache
def tables_of(revision: str) -> Mapping[str, Columns]:
    """The tables of a version that this program knows, by name; read from an empty database in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        migrations.apply(connection, revision)
        inspector = inspect(connection)
        names = [name for name in inspector.get_table_names() if name != migrations.VERSION_TABLE]
        return {name: {each["name"]: kind_of(each["type"]) for each in inspector.get_columns(name)} for name in names}


def table_clause(name: str, columns: Columns) -> TableClause:
    """A table to select from and to insert into."""
    clauses: list[ColumnClause[object]] = [column(each, sql_type(kind)) for each, kind in columns.items()]
    return table(name, *clauses)
