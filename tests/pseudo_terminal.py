"""A real pseudo-terminal, and the person who sits in front of it."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

CTRL_C, CTRL_D = "\x03", "\x04"
_PATIENCE_SECONDS = 120.0


class PseudoTerminal:
    """Shows what a program prints, and types.

    Attributes:
        program_end: the file descriptor that the program reads and writes.
        screen: all that was shown so far, what the terminal echoes included.
    """

    def __init__(self) -> None:
        self._person_end, self.program_end = pty.openpty()
        self.screen = ""
        self._read_up_to = 0
        self._changed = asyncio.Event()
        self._ended = self._is_handed_over = False
        asyncio.get_running_loop().add_reader(self._person_end, self._receive)

    def _receive(self) -> None:
        try:
            self.screen += os.read(self._person_end, 65_536).decode()
        except OSError:  # the program has gone
            self._stop()
        self._changed.set()

    def _stop(self) -> None:
        self._ended = True
        asyncio.get_running_loop().remove_reader(self._person_end)

    async def until(self, text: str) -> None:
        """Wait until a text is shown, below all that was waited for before."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while text not in self.screen[self._read_up_to :]:
                assert not self._ended, self.screen
                self._changed.clear()
                await self._changed.wait()
        self._read_up_to = self.screen.index(text, self._read_up_to) + len(text)

    async def until_end(self) -> None:
        """Wait until no program has the terminal open."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not self._ended:
                self._changed.clear()
                await self._changed.wait()

    def type(self, text: str) -> None:
        """Type or paste."""
        os.write(self._person_end, text.encode())

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._person_end)[3] & termios.ECHO)

    def show_input(self) -> None:
        """Let the terminal show what is typed, as a shell does that stops a program."""
        attributes = termios.tcgetattr(self._person_end)
        attributes[3] |= termios.ECHO
        termios.tcsetattr(self._person_end, termios.TCSADRAIN, attributes)

    def close(self) -> None:
        """Hang up."""
        if not self._ended:
            self._stop()
        os.close(self._person_end)
        self.hand_over()

    def hand_over(self) -> None:
        """Leave the program's end to the programs that have it."""
        if not self._is_handed_over:
            self._is_handed_over = True
            os.close(self.program_end)


@asynccontextmanager
async def on_terminal(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[tuple[PseudoTerminal, asyncio.subprocess.Process]]:
    """Run a program in the foreground of a terminal of its own until the block ends."""
    terminal = PseudoTerminal()
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        env=dict(environment),
        stdin=terminal.program_end,
        stdout=terminal.program_end,
        stderr=terminal.program_end,
        start_new_session=True,
        preexec_fn=_take_over_terminal,
    )
    terminal.hand_over()
    try:
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()


def _take_over_terminal() -> None:
    """Make it the controlling terminal of this new session: what is opened first becomes that."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))
