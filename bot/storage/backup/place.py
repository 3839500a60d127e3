"""What backups need to know of a bot: where its data is, and what is recorded about it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.manifest import FILE_NAME
from bot.model.versions import current_model_folder
from bot.settings import BACKUPS_NAME, DISK_CACHE_NAME, Settings
from bot.storage.address import Address
from bot.storage.backup.manifest import ModelRecord, Origin

_DISTRIBUTION = "phi3-openvino-discord-bot"
_LONGEST_KEPT_DAYS = 14.0


@dataclass(frozen=True, slots=True)
class Place:
    """A bot's data. Use `Place.of`.

    Attributes:
        database: its address.
        data_folder: `DATA_DIR`.
        missed_for: the oldest age at which a question is still answered after a restore.
        kept_for: the oldest age of an automatic backup: `/forget` cannot reach into one.
        origin: for the manifest.
    """

    database: Address
    data_folder: Path
    missed_for: timedelta
    kept_for: timedelta
    origin: Origin

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """The place of a bot with these settings.

        Raises:
            ConfigurationError: `DATABASE_URL` is invalid.
        """
        kept_days = min(settings.retention_days or _LONGEST_KEPT_DAYS, _LONGEST_KEPT_DAYS)
        return cls(
            Address.parse(settings.database_address, settings.database_setting),
            settings.data_folder,
            timedelta(hours=settings.missed_hours),
            timedelta(days=kept_days),
            Origin(
                bot_version=_bot_version(),
                settings=tuple(sorted(name.upper() for name in settings.model_fields_set)),
                model=_model_in(settings.model_dir.expanduser()),
            ),
        )

    @property
    def backups(self) -> Path:
        """The folder of the automatic backups."""
        return self.data_folder / BACKUPS_NAME

    @property
    def staged(self) -> Path:
        """The backup that this bot restores at its next start."""
        return self._for_this_database("to-restore")

    @property
    def being_restored(self) -> Path:
        """The one that it has begun to restore: another may be staged meanwhile."""
        return self._for_this_database("being-restored")

    @property
    def disk_cache(self) -> Path:
        """The folder of the engine's disk cache."""
        return self.data_folder / DISK_CACHE_NAME

    def _for_this_database(self, purpose: str) -> Path:
        file = self.database.file.absolute() if self.database.is_sqlite else ""
        # Another database with the same DATA_DIR must not get it.
        database = hashlib.sha256(f"{self.database}{file}".encode()).hexdigest()[:12]
        return self.backups / f"{purpose}-{database}.zip"


def _bot_version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "not installed"


def _model_in(model_dir: Path) -> ModelRecord | None:
    with suppress(ConfigurationError, OSError):
        folder = current_model_folder(model_dir)
        if folder.is_dir():
            manifest = folder / FILE_NAME
            digest = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else None
            return ModelRecord(version=folder.resolve().name, manifest_sha256=digest)
    return None
