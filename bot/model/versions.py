"""Versions of a model in one folder, and the pointer that names the current one.

    phi3-instruct/int4/                  what MODEL_DIR names
        current.json                     the pointer
        versions/2026-11-28-101500-sample/   a complete model folder
        versions/2026-11-29-084210-balanced/

The pointer is a file that is replaced as a whole, so a reader finds the old version or the new one. It is no link,
because links need rights on Windows that few people have. A folder without a pointer is a model folder itself, as
`optimum-cli export openvino` writes it.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator

from bot.errors import ConfigurationError
from bot.model.commands import rollback_command
from bot.model.files import read_file

POINTER_NAME = "current.json"
VERSIONS_NAME = "versions"

_VERSION = re.compile(r"\w[\w.-]*")
_BUSY_SECONDS = 2.0
"""Windows refuses to replace a file while it is being read; reading the pointer takes a moment only."""


class Pointer(BaseModel):
    """The names of the current version and of those before it, to which `roll_back` leads, the latest first."""

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
    """The model folders that a path led to when its pointer was read. Two are equal if it was not written in between.

    Attributes:
        folder: the current version's, which may be missing; without versions, the path itself.
        before: the existing folders of the versions before it, the latest first.
        written: identifies one writing of the pointer; None without a pointer.
    """

    folder: Path
    before: tuple[Path, ...] = field(default=(), compare=False)  # deleting a folder is no new choice
    written: tuple[int, int] | None = None

    @property
    def has_versions(self) -> bool:
        """Whether there is a pointer."""
        return self.written is not None


@dataclass(frozen=True, slots=True)
class ModelVersions:
    """The versions in a folder.

    Attributes:
        home: the folder that MODEL_DIR names; it may be missing.
    """

    home: Path

    @property
    def names(self) -> list[str]:
        """The existing versions, the oldest first. An export's workspace is hidden and does not count."""
        folder = self.home / VERSIONS_NAME
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(each.name for each in found if each.is_dir() and _VERSION.fullmatch(each.name))

    @property
    def pointer(self) -> Pointer | None:
        """The pointer; None without one.

        Raises:
            ConfigurationError: it is damaged or cannot be read.
        """
        path = self.home / POINTER_NAME
        try:
            return Pointer.model_validate_json(read_file(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read ({error.strerror}); check the path and its permissions"
            ) from error
        except ValueError as error:  # pydantic's ValidationError is one
            raise ConfigurationError(
                f"{path} cannot be read (it is damaged); choose a version: "
                f"`{rollback_command(self.home, 'VERSION')}` (--list names them)"
            ) from error

    @property
    def choice(self) -> Choice:
        """The model folders that the pointer leads to.

        Raises:
            ConfigurationError: the pointer cannot be read.
        """
        written = self._written()  # first: a pointer that is replaced in between looks new the next time
        pointer = self.pointer
        if pointer is None:
            return Choice(self.home)
        before = tuple(self.folder(each) for each in self._existing(pointer.before))
        return Choice(self.folder(pointer.current), before, written)

    def folder(self, version: str) -> Path:
        """Return a version's folder, which may be missing."""
        return self.home / VERSIONS_NAME / version

    def switch(self, version: str, *, adopted: str | None = None) -> None:
        """Make a version the current one. `roll_back` leads back.

        Args:
            version: its name.
            adopted: without a pointer, the version that the model so far was kept as.

        Raises:
            OSError: the pointer cannot be written, and is unchanged.
        """
        try:
            old = self.pointer
        except ConfigurationError:
            old = None  # the new pointer repairs it
        before = (old.current, *old.before) if old is not None else (adopted,) if adopted is not None else ()
        self._write(Pointer(current=version, before=tuple(each for each in before if each != version)))

    @property
    def previous(self) -> str:
        """The latest existing version before the current one.

        Raises:
            ConfigurationError: there is none.
        """
        pointer = self.pointer
        existing = () if pointer is None else self._existing(pointer.before)
        if not existing:
            raise ConfigurationError(
                f"there is no version before the current one in {self.home}; {self._other_versions}"
            )
        return existing[0]

    @property
    def _other_versions(self) -> str:
        """The way to a version that is not before the current one, as after a rollback."""
        pointer = self.pointer
        others = [each for each in self.names if pointer is None or each != pointer.current]
        if not others:
            return "export another one first"
        return f"to switch to the version {others[-1]}: `{rollback_command(self.home, others[-1])}`"

    def roll_back(self) -> str:
        """Make the previous version the current one, and return its name.

        Raises:
            ConfigurationError: there is none.
            OSError: the pointer cannot be written, and is unchanged.
        """
        previous, pointer = self.previous, self.pointer
        assert pointer is not None  # `previous` has just read it
        before = pointer.before[pointer.before.index(previous) + 1 :]
        self._write(Pointer(current=previous, before=before))
        return previous

    def _existing(self, versions: tuple[str, ...]) -> tuple[str, ...]:
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
    """Return the model folder that a path leads to: its current version, or the path itself without versions.

    Raises:
        ConfigurationError: the pointer cannot be read, or names a version that does not exist.
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
    """Return the folder of the versions of which a model folder is one; None if it is not a version."""
    home = folder.parent.parent
    belongs = folder.parent.name == VERSIONS_NAME and _VERSION.fullmatch(folder.name)
    return home if belongs and (home / POINTER_NAME).exists() else None


def _replace(new: Path, path: Path) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            new.replace(path)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
