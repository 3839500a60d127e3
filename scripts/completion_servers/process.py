"""A server in a process of its own, from its start until it has loaded its model, and to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import aiohttp

from bot.child_environment import child_environment
from bot.errors import ConfigurationError

HOST = "127.0.0.1"

_LOAD_SECONDS = 900.0
_POLL_SECONDS = 0.05
_END_SECONDS = 10.0
_LAST_WORDS = 2


class ServerProcess:
    """A server that answers `/health` on 127.0.0.1 with 200 once it has loaded its model.

    Attributes:
        url: where it answers.
    """

    def __init__(
        self,
        title: str,
        command: Sequence[str],
        port: int,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """Prepare it.

        Args:
            title: of the program, for error lines.
            command: has the server listen on `HOST` and this port.
            environment: on top of ours without its secrets.
            log: a file for what the server writes; None keeps only its last words.
        """
        self.url = f"http://{HOST}:{port}"
        self._title = title
        self._command = command
        self._environment = {**child_environment(), **(environment or {})}
        self._log = log
        # Open as long as the server may write to it.
        self._output = TemporaryFile() if log is None else log.open("w+b")  # noqa: SIM115
        self._process: Process | None = None

    @property
    def process_id(self) -> int:
        """Of the started server."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the server and wait until it has loaded the model.

        Raises:
            ConfigurationError: it cannot be started or does not load the model; no process is left.
        """
        deadline = time.perf_counter() + _LOAD_SECONDS
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=self._environment,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end the server
            )
        except OSError as error:
            raise ConfigurationError(f"{self._command[0]} cannot be run ({error.strerror})") from error
        try:
            await self._wait_until_loaded(deadline)
        except BaseException:  # cancellation too must leave no process behind
            await self.close()
            raise

    async def wait(self) -> str:
        """Wait until the server has ended by itself, and return one line about how."""
        assert self._process is not None
        return _how_it_ended(await self._process.wait())

    async def close(self) -> None:
        """End the server: first politely, then by force."""
        if self._process is not None:
            await _end(self._process)
        self._output.close()

    def last_words(self) -> str:
        """The last lines that the server wrote, as one."""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").splitlines()
        words = [" ".join(line.split()) for line in lines if line.strip()]
        said = "; ".join(words[-_LAST_WORDS:]) or "it said nothing"
        return said if self._log is None else f"{said}; the whole output is in {self._log}"

    async def _wait_until_loaded(self, deadline: float) -> None:
        assert self._process is not None
        async with aiohttp.ClientSession(self.url) as session:
            while time.perf_counter() < deadline:
                if (status := self._process.returncode) is not None:
                    raise ConfigurationError(
                        f"{self._title} ended {_how_it_ended(status)} while it loaded: {self.last_words()}"
                    )
                with suppress(aiohttp.ClientConnectionError):
                    async with session.get("/health") as response:
                        if response.ok:
                            return
                await asyncio.sleep(_POLL_SECONDS)
        raise ConfigurationError(f"{self._title} was not ready within {_LOAD_SECONDS:.0f} s: {self.last_words()}")


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _how_it_ended(status: int) -> str:
    return f"with {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):  # vLLM computes in a child, which would stay
            os.killpg(process.pid, signal.SIGKILL)
