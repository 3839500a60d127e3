"""Files and folders that only the user who runs the bot may read, whatever the process's umask says.

Modes are a matter of POSIX. On Windows a file has the permissions of its folder, which in a user's profile are the
user's own, and nothing here changes them.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_OTHERS = 0o077
_INCIDENTAL = re.compile(r"\..*|lost\+found|.*\.(sqlite3?|db|bak|backup|old|log|tar|gz|xz|zst|zip)\b.*", re.IGNORECASE)
"""Names that no other program misses: hidden files, what a new disk holds, an operator's copies and logs."""


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents, all private. One that exists stays as it is.

    Raises:
        OSError: it cannot be created, or something else is there.
    """
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    try:
        folder.mkdir(mode=_FOLDER_MODE)
    except FileExistsError:
        if folder.is_dir():  # another process was faster
            return
        raise
    if os.name == "posix":
        folder.chmod(_FOLDER_MODE)  # a umask can take the owner's own permissions
        give_away_as_root(folder)


def give_away_as_root(path: Path, descriptor: int | None = None) -> None:
    """Let what root has just made belong to whoever owns its folder.

    An operator may run one command as root, and the bot, as a user of its own, would find files that it cannot use.

    Args:
        descriptor: of the file, if it is open.
    """
    if os.name == "posix" and os.geteuid() == 0:
        owner = path.parent.stat()
        with suppress(OSError):  # a network drive may know no other owner
            if descriptor is None:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
            else:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)


def private_opener(path: str, flags: int) -> int:
    """An `opener` for `open` that makes the file private before anything is written.

    Raises:
        OSError: the file cannot be opened.
    """
    is_new = not os.path.lexists(path)
    descriptor = os.open(path, flags, _FILE_MODE)
    if is_new:
        give_away_as_root(Path(path), descriptor)
    if os.name == "posix":
        try:
            os.fchmod(descriptor, _FILE_MODE)  # a file that exists has kept its mode
        except OSError as error:
            logger.warning("File stays as readable as it is path=%s reason=%s", path, error.strerror)
    return descriptor


def write_private_text(path: Path, text: str) -> None:
    """Write a private text file. Creates its folder.

    Raises:
        OSError: it cannot be written.
    """
    make_private_folder(path.parent)
    with open(path, "w", encoding="utf-8", opener=private_opener) as file:
        file.write(text)


def replace_private_file(path: Path, content: bytes) -> None:
    """Write a private file as a whole: after a crash it holds what it did before, or `content`.

    Args:
        path: in a folder that exists. Of a link, the file that it leads to is replaced.

    Raises:
        OSError: it cannot be written; nothing has changed.
    """
    path = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # private from the first byte
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.name == "posix":
                os.fchmod(descriptor, _FILE_MODE)  # a umask can take the owner's own permissions
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def warn_of_readers(path: Path) -> None:
    """Log that every user of the machine can read an operator's file of secrets.

    Its permissions stay as they are, because its group may be the one that the bot runs as.

    Args:
        path: may be missing.
    """
    with _errors_logged(path):
        if is_readable_by_all(path):
            logger.warning("Every user of this machine can read the bot's secrets; run: chmod 600 %s", path)


def is_readable_by_all(path: Path) -> bool:
    """Whether every user of the machine can read a file; False for a missing one, and on Windows.

    Raises:
        OSError: its permissions cannot be read.
    """
    return os.name == "posix" and path.is_file() and bool(path.stat().st_mode & stat.S_IROTH)


def close_files(folder: Path, our_names: Iterable[str]) -> None:
    """Take other users' permissions from our files in a folder; what cannot be changed is logged.

    Args:
        folder: may be missing.
        our_names: of files. What SQLite keeps beside a database belongs to it, and so do copies: `NAME-wal`,
            `NAME.backup`.
    """
    with _errors_logged(folder):
        if os.name == "posix" and folder.is_dir():
            _report(_close_all(folder, _ours(_names(folder), our_names)))


def close_folder(folder: Path, our_names: Iterable[str], our_folders: Collection[str] = ()) -> None:
    """Do as `close_files`, and take other users' permissions from the folder too if it is ours alone.

    Ours alone is a folder that holds nothing but our files and folders, hidden ones, and an operator's copies and logs.
    A folder like /tmp, the home, the working directory and folders above them never are: other programs would lose what
    they have there.

    Args:
        our_names: as `close_files` takes them.
        our_folders: names of folders that hold nothing but what is ours, all of which is closed.
    """
    with _errors_logged(folder):
        if os.name == "posix" and folder.is_dir():
            _close_folder(folder.resolve(), our_names, our_folders)


def _close_folder(folder: Path, our_names: Iterable[str], our_folders: Collection[str]) -> None:
    names = _names(folder)
    ours = [*_ours(names, our_names), *our_folders]
    closed = _close_all(folder, ours)
    closed += [path for path in (folder / name for name in our_folders) if _close_tree(path)]
    if _is_open(folder.stat()):
        if _is_shared(folder) or any(name not in ours and not _INCIDENTAL.fullmatch(name) for name in names):
            logger.warning(
                "Folder stays readable for other users, because it holds more than the bot's files; those are private, "
                "but not their names: set DATA_DIR to a folder of its own path=%s",
                folder,
            )
        elif _close(folder, _FOLDER_MODE):
            closed.insert(0, folder)
    _report(closed)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def delete_folder(folder: Path) -> None:
    """Delete a folder of ours with all that is in it; a refusal is logged.

    Args:
        folder: may be missing.
    """
    try:
        if folder.is_symlink() or folder.exists():
            shutil.rmtree(folder)
            logger.info("Deleted, it is not used any more path=%s", folder)
    except FileNotFoundError:
        logger.debug("Somebody else has just deleted it path=%s", folder)
    except OSError as error:
        logger.warning(
            "Folder that is not used any more cannot be deleted; it may hold what people wrote: delete it path=%s "
            "reason=%s",
            folder,
            error.strerror or error,
        )


@contextmanager
def _errors_logged(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # whoever opens a file there says what to do
        logger.warning("Permissions cannot be checked path=%s reason=%s", folder, error.strerror)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir())
    except PermissionError:
        return []  # who may not list a folder can still use the files in it


def _ours(names: list[str], our_names: Iterable[str]) -> list[str]:
    begins = [begin for name in our_names if name for begin in (f"{name}-", f"{name}.")]
    return [name for name in names if f"{name}.".startswith(tuple(begins))]


def _is_shared(folder: Path) -> bool:
    inhabited = [Path.cwd()]
    try:
        inhabited.append(Path.home().resolve())
    except RuntimeError:
        logger.debug("This user has no home")
    is_like_tmp = bool(folder.stat().st_mode & stat.S_ISVTX)
    return is_like_tmp or any(folder == each or folder in each.parents for each in inhabited)


def _close_all(folder: Path, names: list[str]) -> list[Path]:
    paths = [folder / name for name in names]
    # Not what a link leads to: that is somebody else's choice.
    return [path for path in paths if not path.is_symlink() and path.is_file() and _close(path, _FILE_MODE)]


def _close_tree(folder: Path) -> bool:
    """Close a folder with all that is in it; return whether others could get into it. If not, nothing is looked at."""
    if folder.is_symlink() or not folder.is_dir() or not _close(folder, _FOLDER_MODE):
        return False
    for place, folders, files in os.walk(folder):
        _close_all(Path(place), files)
        for name in folders:
            if not (path := Path(place, name)).is_symlink():
                _close(path, _FOLDER_MODE)
    return True


def _close(path: Path, mode: int) -> bool:
    """Return whether the mode was changed; log why if it could not be."""
    try:
        status = path.stat()
        if not _is_open(status):
            return False
        if status.st_uid != os.geteuid():
            raise PermissionError("it belongs to another user")
        path.chmod(status.st_mode & mode)
        if _is_open(path.stat()):
            raise PermissionError("its disk keeps no permissions")
    except FileNotFoundError:
        return False  # SQLite has just removed it
    except OSError as error:
        logger.warning(
            "Other users can read what the bot stores; take their permissions from it as its owner, or move it "
            "path=%s reason=%s",
            path,
            error.strerror or error,
        )
        return False
    return True


def _is_open(status: os.stat_result) -> bool:
    return bool(status.st_mode & _OTHERS)


def _report(closed: list[Path]) -> None:
    if closed:
        logger.warning("Closed to other users, who could read it until now paths=%s", ", ".join(map(str, closed)))
