"""Which processes use the data folder: the bot that runs, another program, or two by mistake."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bot.doctor.check import Finding, Findings, Result
from bot.doctor.checks.database import database_file
from bot.settings import Settings
from bot.storage.bot_lock import LOCK_NAME, is_locked

NAME = "data folder"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that has files of the data folder open, without its children.

    Attributes:
        process_id: None if this user may not look into the process.
        is_bot: whether it looks like the bot, or has the bot's lock.
    """

    process_id: int | None
    name: str
    is_bot: bool

    def __str__(self) -> str:
        """Such as `python, process 4711`."""
        return self.name if self.process_id is None else f"{self.name}, process {self.process_id}"


_UNSEEN_BOT = Program(None, "in a process that this user may not look into", is_bot=True)
"""In a container, or as systemd's unit runs it (`PrivateUsers=`), also for the user that it runs as."""


def programs_using(settings: Settings) -> Sequence[Program]:
    """The other programs that use the data folder or the database's file, as far as this user may know.

    The running bot always has its lock. Windows does not say who has which file open without an administrator's rights.
    """
    programs = _seen_programs(settings) if os.name == "posix" else []
    if not any(each.is_bot for each in programs) and is_locked(settings.data_folder):
        programs.append(_UNSEEN_BOT)
    return programs


def _seen_programs(settings: Settings) -> list[Program]:
    file = database_file(settings)
    # Unlike Path.resolve, it takes a link to itself, too.
    places = [Path(os.path.realpath(each)) for each in (settings.data_folder, file) if each is not None]
    users = {process.pid: process for process in _other_processes() if _has_open(process, places)}
    lock = Path(os.path.realpath(settings.data_folder / LOCK_NAME))
    return [_program(each, lock) for each in users.values() if _parent_of(each) not in users]


def check_data_folder(settings: Settings, programs: Sequence[Program]) -> Findings:
    """Report who uses the data folder."""
    folder = settings.data_folder
    bots = [each for each in programs if each.is_bot]
    if len(programs) > 1:
        line = f"{len(programs)} programs use {folder} at once: {'; '.join(map(str, programs))}"
        way_out = "end all but one; each bot needs a DATA_DIR of its own"
        return [Finding(NAME, Result.WARNING, line, way_out)]
    if bots:
        return [Finding(NAME, Result.OK, f"the bot runs and uses {folder} ({bots[0]})")]
    if programs:
        line = f"another program uses {folder} ({programs[0]})"
        return [Finding(NAME, Result.WARNING, line, "end it before the bot starts, if it writes to the database")]
    return [Finding(NAME, Result.OK, f"no program uses {folder} now")]


def _other_processes() -> Iterator[psutil.Process]:
    own = {os.getpid(), *(each.pid for each in psutil.Process().children(recursive=True))}
    for process in psutil.process_iter():
        if process.pid not in own:
            yield process


def _has_open(process: psutil.Process, places: Sequence[Path]) -> bool:
    try:
        paths = [Path(each.path) for each in process.open_files()]
    except (psutil.Error, OSError):  # it has ended, or belongs to another user
        return False
    return any(path == place or place in path.parents for path in paths for place in places)


def _program(process: psutil.Process, lock: Path) -> Program:
    try:
        arguments, name = process.cmdline(), process.name()
    except (psutil.Error, OSError):
        return Program(process.pid, "a program", False)
    line = " ".join(arguments)
    is_bot = "-m bot" in line or "phi-bot" in line or _has_open(process, [lock])
    return Program(process.pid, name, is_bot)


def _parent_of(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except (psutil.Error, OSError):
        return None
