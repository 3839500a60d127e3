"""The port for monitoring: free, or in use by the running bot."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import aiohttp

from bot.doctor.check import Finding, Findings, Result, in_thread, refused
from bot.errors import ConfigurationError
from bot.metrics.server import listening_refusal
from bot.settings import Settings

NAME = "metrics port"
_ANSWER_SECONDS = 3.0


async def check_metrics_port(settings: Settings) -> Findings:
    """Report whether the bot can listen on its port, or does."""
    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return [Finding(NAME, Result.OK, "none is set, so no metrics are served")]
    try:
        await in_thread(lambda: _listen(host, port))
    except (OSError, UnicodeError) as error:
        if await _is_our_bot(host, port):
            return [Finding(NAME, Result.OK, f"the running bot serves metrics on port {port} of {host}")]
        return [refused(NAME, ConfigurationError(listening_refusal(host, port, error)))]
    return [Finding(NAME, Result.OK, f"port {port} of {host} is free")]


def _listen(host: str, port: int) -> None:
    """Listen for a moment, as the server would.

    Raises:
        OSError: that is not possible.
        UnicodeError: the host is no name.
    """
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with closing(socket.socket(family, kind, protocol)) as server:
            if os.name == "posix":
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.bind(address)


async def _is_our_bot(host: str, port: int) -> bool:
    url = f"http://[{host}]:{port}/healthz" if ":" in host else f"http://{host}:{port}/healthz"
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            answer = await response.json()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return False
    return isinstance(answer, dict) and {"ok", "engine_restarts"} <= answer.keys()
