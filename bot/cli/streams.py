"""Standard streams that are closed, that are full, or whose reader has gone."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def open_closed_streams() -> None:
    """Open what `>&-` closed to nowhere: the next file would take its number, and the log would be written into it."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - stays open
            setattr(sys, name, stream)


def takes_output() -> bool:
    """Whether the standard output can be written. What no disk has room for is still in its buffer, if it has one."""
    try:
        print(flush=True)
    except OSError:
        return False
    return True


def drop_output(*streams: TextIO) -> None:
    """Send the rest of the output nowhere, so that the interpreter's last flush does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
