"""Asks whoever sits in front of the program."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

if sys.platform != "win32":
    import termios

_MOST_BYTES = 65_536
_PASTE_SECONDS = 0.1


class Terminal:
    """Prints lines and reads answers; at the end of the input, and on Ctrl-D, every question raises EOFError.

    Args:
        reading: the terminal's file descriptor.
        writing: the same terminal.
    """

    def __init__(self, reading: int, writing: TextIO) -> None:
        self._reading = reading
        self._writing = writing

    @classmethod
    def attended(cls) -> Terminal | None:
        """The terminal of this process; None if nobody can answer there: without one, and in the background."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        reading = sys.stdin.fileno()
        if sys.platform != "win32":
            try:
                if os.tcgetpgrp(reading) != os.getpgrp():
                    return None  # a question would stop the job
            except OSError:  # not this session's terminal, so nothing would stop it
                pass
        return cls(reading, sys.stderr)

    def say(self, *lines: str) -> None:
        """Print lines."""
        for line in lines:
            print(line, file=self._writing, flush=True)

    def ask(self, question: str) -> str:
        """Return the answer, without the spaces around it."""
        self._prompt(question)
        return self._line().strip()

    def ask_hidden(self, question: str) -> str:
        """Return what is typed or pasted, several lines included, without showing it. Empty lines do not count."""
        if sys.platform == "win32":
            from getpass import getpass

            return getpass(question, self._writing)
        with self._hidden_input():
            while True:
                self._prompt(question)
                answer = self._paste()
                self.say("")  # the Enter was not shown either
                if answer.strip():
                    return answer

    def _prompt(self, question: str) -> None:
        print(question, end="", file=self._writing, flush=True)

    def _line(self) -> str:
        if sys.platform == "win32":
            line = sys.stdin.readline()
        else:
            line = os.read(self._reading, _MOST_BYTES).decode(errors="replace")  # a terminal gives one line
        if not line:
            raise EOFError
        return line

    def _paste(self) -> str:
        """The next line with those that arrive together with it: none may become the answer to a later question."""
        text = self._line()
        while select.select([self._reading], [], [], _PASTE_SECONDS)[0]:
            text += self._line()
        return text

    if sys.platform != "win32":

        @contextmanager
        def _hidden_input(self) -> Iterator[None]:
            before = termios.tcgetattr(self._reading)
            hidden = [*before[:3], before[3] & ~(termios.ECHO | termios.ECHONL), *before[4:]]

            def hide(*_: object) -> None:
                termios.tcsetattr(self._reading, termios.TCSAFLUSH, hidden)

            # A shell shows the input again once it has stopped the program with Ctrl-Z.
            in_main_thread = threading.current_thread() is threading.main_thread()
            on_continue = signal.signal(signal.SIGCONT, hide) if in_main_thread else None
            try:
                hide()
                yield
            finally:
                if in_main_thread:
                    signal.signal(signal.SIGCONT, on_continue)
                termios.tcsetattr(self._reading, termios.TCSAFLUSH, before)
