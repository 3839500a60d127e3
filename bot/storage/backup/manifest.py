"""What a backup says about itself."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from bot.storage.backup.row_encoding import Kind

FORMAT = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class TableRecord(_Record):
    """A table: what its columns hold, the number of its rows, and the SHA-256 of its file in hexadecimal digits."""

    columns: dict[str, Kind]
    rows: int
    sha256: str


class ModelRecord(_Record):
    """The model that answered.

    Attributes:
        version: the name of its folder.
        manifest_sha256: of its `manifest.json`, which holds the SHA-256 of every file; None if it has none.
    """

    version: str
    manifest_sha256: str | None


class Origin(_Record):
    """Where a backup is from.

    Attributes:
        bot_version: of the installed package.
        settings: the names of those that were set, without their values.
        model: None if there was none.
    """

    bot_version: str
    settings: tuple[str, ...]
    model: ModelRecord | None


class Manifest(_Record):
    """A backup's `manifest.json`.

    Attributes:
        made_at: when the database was as the backup holds it.
        revision: the version of the tables.
        left_out: questions that came by interactions and were not answered yet; what they need to be answered is a
            secret, and works for minutes only.
    """

    format: int
    made_at: AwareDatetime
    revision: str
    origin: Origin
    tables: dict[str, TableRecord]
    left_out: int

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(each.rows for each in self.tables.values())

    @property
    def made(self) -> str:
        """When it was made, for people."""
        moment: datetime = self.made_at
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
