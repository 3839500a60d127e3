"""The commands that error lines tell people to run, written so that they work where the reader stands."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

_CONSOLE_COMMAND = "phi-bot"
DISTRIBUTION = "phi3-openvino-discord-bot"
ROOT = Path(__file__).resolve().parent.parent


def own_command(*arguments: str) -> str:
    """A command of this program, such as `.venv/bin/python -m bot export --list`, as this process was started.

    Args:
        arguments: not quoted yet.
    """
    program = Path(sys.argv[0])
    is_console_command = program.stem == _CONSOLE_COMMAND
    begin = _typed(program, _CONSOLE_COMMAND) if is_console_command else f"{own_python()} -m bot"
    return " ".join([begin, *map(quoted, arguments)])


def own_python() -> str:
    """The interpreter of this process, as the reader can type it."""
    return _typed(Path(sys.executable), "python", "python3")


def install_command(extra: str = "") -> str:
    """The command that installs what an optional part needs into this interpreter.

    Args:
        extra: its name in pyproject.toml; "" for the bot itself.
    """
    pip = f"{own_python()} -m pip install"
    if not (ROOT / "constraints.txt").is_file():
        return " ".join([pip, *map(quoted, _requirements(extra))])
    is_here = Path.cwd().resolve() == ROOT
    pins = "constraints.txt" if is_here else str(ROOT / "constraints.txt")
    package = f"{'.' if is_here else ROOT}[{extra}]" if extra else "." if is_here else str(ROOT)
    return f"{pip} -c {quoted(pins)} -e {quoted(package)}"


def missing_package(error: ModuleNotFoundError, *arguments: str) -> str:
    """One line for a Python that lacks what the bot needs: usually the system's, beside the bot's own.

    Args:
        error: raised by an import.
        arguments: of this run.
    """
    where = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if where.exists() and where.absolute() != Path(sys.executable).absolute():
        again = " ".join([_typed(where), "-m", "bot", *map(quoted, arguments)])
        return f"this Python, {sys.executable}, has no package {error.name}; use the bot's own: `{again}`"
    return f"{own_python()} has no package {error.name}; install what the bot needs with `{install_command()}`"


def quoted(argument: str) -> str:
    """An argument for the reader's shell."""
    if os.name == "nt":
        return f'"{argument}"' if not argument or " " in argument else argument
    return shlex.quote(argument)


def _requirements(extra: str) -> list[str]:
    """The packages of an optional part, as an installed bot names them."""
    try:
        all_of_them = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return [f"{DISTRIBUTION}[{extra}]" if extra else DISTRIBUTION]
    marker = f'extra == "{extra}"'
    return [each.partition(";")[0].strip() for each in all_of_them if marker in each]


def _typed(program: Path, *names: str) -> str:
    """A program as the reader can type it: below this folder, by its name on the PATH, or in full.

    A virtual environment's Python is a link to the system's, so links are not followed.
    """
    program = program.absolute()
    here = Path.cwd()
    if here != Path(here.anchor) and program.is_relative_to(here):
        relative = str(program.relative_to(here))
        return quoted(relative if os.sep in relative else f".{os.sep}{relative}")
    for name in names:
        found = shutil.which(name)
        if found is not None and Path(found).absolute() == program:
            return name
    return quoted(str(program))
