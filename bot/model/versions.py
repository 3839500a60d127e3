"""Versions of a model side by side in one folder, and the pointer that says which one answers.

    phi3-instruct/int4/                  what MODEL_DIR names
        current.json                     the pointer
        versions/2026-11-28-101500-sample/   a complete model folder
        versions/2026-11-29-084210-balanced/

The pointer is a small file that is replaced whole, so that whoever reads it finds the old version or the new one, on
Windows as well, where links need rights that few people have. A folder without a pointer is a model folder itself, as
`optimum-cli export openvino` writes it.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from bot.errors import ConfigurationError
from bot.model.commands import rollback_command

POINTER_NAME = "current.json"
VERSIONS_NAME = "versions"

_VERSION = re.compile(r"\w[\w.-]*")
_BUSY_SECONDS = 2.0
"""Windows does not let a file be replaced while somebody reads it; nobody reads the pointer for long."""


class Pointer(BaseModel):
    """Which version answers, and which ones did before it.

    Attributes:
        current: the version's name.
        before: the versions that `roll_back` leads to, the latest first.
    """

    model_config = ConfigDict(frozen=True)

    current: str
    before: tuple[str, ...] = ()

    @field_validator("current", "before")
    @classmethod
    def _are_names(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        if not all(_VERSION.fullmatch(name) for name in names):
            raise ValueError("not the name of a version")
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """The model folders that a path stood for when its pointer was read. Two are equal if nobody wrote it in between.

    Attributes:
        folder: the current version's, which need not be there; without versions the path itself.
        before: those of the versions before it that are there, the latest first.
        written: another one each time that the pointer is written; None where there is none.
    """

    folder: Path
    before: tuple[Path, ...] = field(default=(), compare=False)  # a folder that is deleted changes nothing
    written: tuple[int, int] | None = None

    @property
    def has_versions(self) -> bool:
        """Whether there is a pointer."""
        return self.written is not None


@dataclass(frozen=True, slots=True)
class ModelVersions:
    """The versions in a folder.

    Attributes:
        home: the folder that MODEL_DIR names. It need not exist.
    """

    home: Path

    @property
    def names(self) -> list[str]:
        """Every version that is there, the oldest first. What an export is still working on begins with a dot."""
        folder = self.home / VERSIONS_NAME
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(each.name for each in found if each.is_dir() and _VERSION.fullmatch(each.name))

    @property
    def pointer(self) -> Pointer | None:
        """What the pointer says; None where there is none.

        Raises:
            ConfigurationError: the file cannot be read, or says nothing of use.
        """
        path = self.home / POINTER_NAME
        try:
            return Pointer.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise ConfigurationError(
                f"{path} cannot be read ({cause}); choose a version: "
                f"`{rollback_command(self.home, 'VERSION')}` (--list names them)"
            ) from error

    @property
    def choice(self) -> Choice:
        """The model folders that the pointer leads to.

        Raises:
            ConfigurationError: the pointer cannot be read.
        """
        written = self._written()  # before it is read: one that is replaced in between is seen as new the next time
        pointer = self.pointer
        if pointer is None:
            return Choice(self.home)
        before = tuple(self.folder(each) for each in self._still_there(pointer.before))
        return Choice(self.folder(pointer.current), before, written)

    def folder(self, version: str) -> Path:
        """Where a version is."""
        return self.home / VERSIONS_NAME / version

    def switch(self, version: str, *, adopted: str | None = None) -> None:
        """Let a version answer from now on. The one before it stays within reach of `roll_back`.

        Args:
            version: its name.
            adopted: where there is no pointer yet, the version that what answered till now was kept as.

        Raises:
            OSError: the pointer cannot be written; it is as it was.
        """
        try:
            old = self.pointer
        except ConfigurationError:
            old = None  # a damaged pointer is mended by a new one
        before = (old.current, *old.before) if old is not None else (adopted,) if adopted is not None else ()
        self._write(Pointer(current=version, before=tuple(each for each in before if each != version)))

    @property
    def previous(self) -> str:
        """The version that answered before the current one, of those that are still there.

        Raises:
            ConfigurationError: there is none.
        """
        pointer = self.pointer
        there = () if pointer is None else self._still_there(pointer.before)
        if not there:
            raise ConfigurationError(f"there is no version to go back to in {self.home}; --list shows what is there")
        return there[0]

    def roll_back(self) -> str:
        """Let the previous version answer, and return its name.

        Raises:
            ConfigurationError: there is none.
            OSError: the pointer cannot be written; it is as it was.
        """
        previous, pointer = self.previous, self.pointer
        assert pointer is not None  # it has just named the previous version
        before = pointer.before[pointer.before.index(previous) + 1 :]
        self._write(Pointer(current=previous, before=before))
        return previous

    def _still_there(self, versions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each for each in versions if self.folder(each).is_dir())

    def _written(self) -> tuple[int, int] | None:
        try:
            status = (self.home / POINTER_NAME).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _write(self, pointer: Pointer) -> None:
        path = self.home / POINTER_NAME
        new = path.with_name(f".{POINTER_NAME}.new")
        with new.open("w", encoding="utf-8") as file:
            file.write(pointer.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        _replace(new, path)


def current_model_folder(path: Path) -> Path:
    """Return the model folder that a path stands for: its current version, or the path itself without versions.

    Raises:
        ConfigurationError: the pointer cannot be read, or names a version that is not there.
    """
    versions = ModelVersions(path)
    pointer = versions.pointer
    if pointer is None:
        return path
    folder = versions.folder(pointer.current)
    if not folder.is_dir():
        raise ConfigurationError(
            f"{path / POINTER_NAME} names the version {pointer.current}, which does not exist; choose another: "
            f"`{rollback_command(path, 'VERSION')}` (--list names them)"
        )
    return folder


def home_of(folder: Path) -> Path | None:
    """Return the folder with versions side by side that a model folder belongs to; None if it is not one of them."""
    home = folder.parent.parent
    belongs = folder.parent.name == VERSIONS_NAME and _VERSION.fullmatch(folder.name)
    return home if belongs and (home / POINTER_NAME).exists() else None


def _replace(new: Path, path: Path) -> None:
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            new.replace(path)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() > until:
                raise
            time.sleep(0.02)
