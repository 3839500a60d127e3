"""The file that a backup is: writes it, reads it, and finds every damage."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from pydantic import ValidationError
from sqlalchemy.exc import DataError, IntegrityError

from bot.errors import ConfigurationError
from bot.storage import migrations
from bot.storage.backup.manifest import FORMAT, Manifest, TableRecord
from bot.storage.backup.row_encoding import decode, encode
from bot.storage.backup.schema import Columns, tables_of

MANIFEST = "manifest.json"

_FAST = 1
_MOST_MANIFEST_BYTES = 10_000_000
_ROWS_TOGETHER = 1000
_BYTES_TOGETHER = 16_000_000
_MOST_ROW_BYTES = 64_000_000
"""No row comes near; but a few bytes may unpack to more than the memory holds."""
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError)
"""What `zipfile` raises for damage, an encrypted file, or an unknown compression."""


class TableWriter:
    """Writes a table's rows into an archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._rows = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        lines = b"".join(map(encode, rows))
        self._hash.update(lines)
        self._file.write(lines)
        self._rows += len(rows)

    def record(self, columns: Columns) -> TableRecord:
        """What the manifest says about the table."""
        return TableRecord(columns=dict(columns), rows=self._rows, sha256=self._hash.hexdigest())


class ArchiveWriter:
    """Writes an archive, table by table, and at last its manifest. Use `ArchiveWriter.to`."""

    def __init__(self, zip_file: zipfile.ZipFile) -> None:
        self._zip = zip_file

    @classmethod
    @contextmanager
    def to(cls, file: BinaryIO) -> Iterator[ArchiveWriter]:
        """Write to a file that is seekable. It is an archive after the block."""
        zip_file = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST)
        try:
            yield cls(zip_file)
        except BaseException:
            with suppress(Exception):  # it would close itself later, and complain of a file that is closed
                zip_file.close()
            raise
        zip_file.close()

    @contextmanager
    def table(self, name: str) -> Iterator[TableWriter]:
        """Begin a table."""
        with self._zip.open(_file_name(name), "w", force_zip64=True) as file:
            yield TableWriter(file)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest."""
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=2))


class Archive:
    """A backup that can be read. Use `Archive.open`.

    Attributes:
        manifest: what it says about itself.
    """

    def __init__(self, path: Path, zip_file: zipfile.ZipFile, manifest: Manifest) -> None:
        self._path = path
        self._zip = zip_file
        self.manifest = manifest

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Archive]:
        """Open a backup; the rows are not looked at yet.

        Raises:
            ConfigurationError: it is none, is damaged, or was made by a newer version of the bot.
        """
        try:
            file = path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read ({error.strerror}); check the path") from error
        with file:
            with _damage_of(path):
                zip_file = zipfile.ZipFile(file)
                manifest = _manifest_in(path, zip_file)
                _require_tables(zip_file, manifest)
            yield cls(path, zip_file, manifest)

    def rows(self, table: str) -> Iterator[list[list[Any]]]:
        """The rows of a table, many at a time.

        Raises:
            ConfigurationError: it is damaged; only known for sure after the last row.
        """
        with _damage_of(self._path):
            record = self.manifest.tables[table]
            kinds = list(record.columns.values())
            found, content = 0, hashlib.sha256()
            with self._zip.open(_file_name(table)) as file:
                while lines := _next_lines(file):
                    content.update(b"".join(lines))
                    found += len(lines)
                    yield [decode(line, kinds) for line in lines]
            if found != record.rows or content.hexdigest() != record.sha256:
                raise ValueError(f"the table {table} is not what was written")

    @contextmanager
    def refusals_of_its_rows(self) -> Iterator[None]:
        """Turn the database's refusal of rows into damage: one that is there twice, NULL where it may not be.

        Raises:
            ConfigurationError: it refused them.
        """
        try:
            yield
        except (DataError, IntegrityError) as error:
            raise ConfigurationError(
                f"{self._path} is no backup, or it is damaged (the database does not take its rows); use another"
            ) from error

    def verify(self) -> None:
        """Read everything.

        Raises:
            ConfigurationError: it is damaged.
        """
        for table in self.manifest.tables:
            for _ in self.rows(table):
                pass


def _next_lines(file: IO[bytes]) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    while len(lines) < _ROWS_TOGETHER and size < _BYTES_TOGETHER and (line := file.readline(_MOST_ROW_BYTES)):
        if len(line) == _MOST_ROW_BYTES:
            raise ValueError("a row is too large")
        lines.append(line)
        size += len(line)
    return lines


def _file_name(table: str) -> str:
    return f"tables/{table}.jsonl"


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror or error}); use another backup") from error
    except _DAMAGES as error:
        raise ConfigurationError(f"{path} is no backup, or it is damaged ({_cause(error)}); use another") from error


def _cause(error: Exception) -> str:
    """What is wrong, without anything that the archive holds."""
    if isinstance(error, ValidationError):
        return f"{MANIFEST} is not as a backup writes it"
    if isinstance(error, UnicodeDecodeError):
        return "a part is not UTF-8"
    return str(error) or type(error).__name__


def _manifest_in(path: Path, zip_file: zipfile.ZipFile) -> Manifest:
    if zip_file.getinfo(MANIFEST).file_size > _MOST_MANIFEST_BYTES:
        raise ValueError(f"{MANIFEST} is too large")
    manifest = Manifest.model_validate_json(zip_file.read(MANIFEST))
    if manifest.format != FORMAT or not migrations.is_known(manifest.revision):
        raise ConfigurationError(
            f"{path} was made by a newer version of the bot (its format is {manifest.format}, its tables are those of "
            f"{manifest.revision[:40]!a}); install that version to restore it"
        )
    return manifest


def _require_tables(zip_file: zipfile.ZipFile, manifest: Manifest) -> None:
    tables: Mapping[str, Columns] = {name: record.columns for name, record in manifest.tables.items()}
    if tables != tables_of(manifest.revision):
        raise ValueError(f"its tables are not those of version {manifest.revision}")
    if sorted(zip_file.namelist()) != sorted([MANIFEST, *map(_file_name, tables)]):
        raise ValueError("it holds other files than a backup")
