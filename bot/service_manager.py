"""Tells the service manager how far the bot is and that its event loop is alive.

The manager is systemd, or whatever speaks its protocol:
https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html. Nothing else sees these messages.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import socket

logger = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 10.0
_EXTENSION_SECONDS = 60
_MICROSECONDS = 1_000_000
_READY, _STOPPING = _CHANGES = ("READY=1", "STOPPING=1")


class ServiceManager:
    """Sends to the manager that started this process; sends nothing if there is none.

    Use it in the event loop's thread: a blocked loop must not look alive.

    Args:
        address: the manager's datagram socket: a path, or a name that begins with `@`; None without a manager.
        watchdog_seconds: how long the manager waits for a heartbeat before it restarts the bot; None: it does not wait.
    """

    def __init__(self, address: str | None = None, watchdog_seconds: float | None = None) -> None:
        self._address = address.replace("@", "\0", 1) if address and address.startswith("@") else address
        self._watches = watchdog_seconds is not None
        # Half of it, as sd_watchdog_enabled(3) advises.
        self._interval = min(_HEARTBEAT_SECONDS, (watchdog_seconds or 2 * _HEARTBEAT_SECONDS) / 2)
        self._has_time_limit = True  # the manager's, for the start and for the end
        self._failed = False
        self._unsent: tuple[str, ...] = ()
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls) -> ServiceManager:
        """The manager that the environment names. Takes its variables away, so that no child speaks for the bot."""
        address = os.environ.pop("NOTIFY_SOCKET", None)
        microseconds = os.environ.pop("WATCHDOG_USEC", "")
        process_id = os.environ.pop("WATCHDOG_PID", None)
        is_watched = address and microseconds.isdecimal() and process_id in (None, str(os.getpid()))
        if not is_watched or not int(microseconds):
            return cls(address)
        # The manager aborts a bot whose loop is blocked. The log then says where it was.
        faulthandler.enable()
        return cls(address, int(microseconds) / _MICROSECONDS)

    def status(self, text: str) -> None:
        """Show a line to whoever asks the manager for the bot's state."""
        self._send(f"STATUS={' '.join(text.split())}")

    def ready(self, text: str) -> None:
        """The start is over: the bot answers. From now on nothing has a time limit."""
        self._has_time_limit = False
        self._send(_READY, f"STATUS={text}")

    def stopping(self) -> None:
        """The bot is about to end, and takes as long as its heartbeat goes on."""
        self._has_time_limit = True
        self._send(_STOPPING, *self._signs_of_life())

    async def send_heartbeats(self) -> None:
        """Keep the watchdog quiet, and extend the limits of start and end, until cancelled."""
        while self._socket is not None:
            self._send(*self._signs_of_life())
            await asyncio.sleep(self._interval)

    def _signs_of_life(self) -> list[str]:
        watchdog = ["WATCHDOG=1"] if self._watches else []
        # Neither a model's load nor DRAIN_SECONDS has to fit into a number of the manager.
        return (
            [*watchdog, f"EXTEND_TIMEOUT_USEC={_EXTENSION_SECONDS * _MICROSECONDS}"]
            if self._has_time_limit
            else watchdog
        )

    def _send(self, *lines: str) -> None:
        lines = (*self._unsent, *lines)
        if self._socket is None or not lines:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address or "")
        except OSError as error:  # it has gone, or does not read at present
            if not self._failed:
                logger.warning("Service manager does not listen: cause=%s", error.strerror)
            self._failed = True
            # A lost status is replaced by the next one, but the manager ends a bot that it never heard to be ready.
            self._unsent = tuple(line for line in lines if line in _CHANGES)
        else:
            self._failed, self._unsent = False, ()
