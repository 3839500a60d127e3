"""One clear line for each thing that is wrong with a model folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.commands import export_command, prebuilt_command, rollback_command
from bot.model.versions import home_of

EXPORTED_MODEL = "microsoft/Phi-3-mini-4k-instruct"


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: no home for `~`, or a cycle of links
        cause = getattr(error, "strerror", None) or error
        culprit = getattr(error, "filename", None) or path
        raise ConfigurationError(
            f"the model folder cannot be read: {culprit}: {cause}; check the path and its permissions"
        ) from error


@contextmanager
def damage_of(folder: Path) -> Iterator[None]:
    """Turn what a file holds, and must not, into one line."""
    try:
        yield
    except ValueError as error:
        raise incomplete(folder, str(error)) from error


def resolved(path: Path) -> Path:
    """The absolute path behind `~` and links."""
    try:
        return path.expanduser().resolve()
    except ValueError as error:  # a NUL, or half a surrogate
        raise ConfigurationError(
            "the name of the model folder has a character that no path can have; write it again without it"
        ) from error


def require_folder(folder: Path) -> None:
    """Refuse a path that leads to no folder."""
    if not folder.exists():
        raise ConfigurationError(
            f"there is no model folder at {folder}; download one with `{prebuilt_command(folder)}`, export your own "
            f"with `{export_command(EXPORTED_MODEL, folder)}`, or set MODEL_DIR to another folder"
        )
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; name the folder that an export wrote")


def incomplete(folder: Path, cause: str) -> ConfigurationError:
    """The error for a model folder that lacks something."""
    return refused(folder, "is incomplete", cause)


def refused(folder: Path, state: str, cause: str) -> ConfigurationError:
    """The error for a model folder, with the way out: another export, or the version before it."""
    home = home_of(folder)
    if home is None:
        way_out = (
            f"export it again with `{export_command(EXPORTED_MODEL, folder)}`, or download one that is exported with "
            f"`{prebuilt_command(folder)}`"
        )
        return ConfigurationError(f"the model folder {folder} {state}: {cause}; {way_out}")
    way_out = f"go back with `{rollback_command(home)}`, or export again with `{export_command(EXPORTED_MODEL, home)}`"
    return ConfigurationError(f"the version {folder.name} in {home} {state}: {cause}; {way_out}")
