"""The HTTP connection to one server."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx

from bot.engine.worker.remote.errors import (
    RequestRefusedError,
    ServerBusyError,
    ServerDownError,
    ServerLostError,
    error_of_status,
    unreachable,
)
from bot.errors import ConfigurationError
from bot.server_urls import api_of, root_of

Result = TypeVar("Result")
WhileAlive: TypeAlias = Callable[[Awaitable[bytes], bool], Awaitable[bytes]]

_CONNECT_SECONDS = 5.0
_KEEP_SECONDS = 4.0  # vLLM's server closes an idle connection after 5, maybe just when the next request goes out
_MOST_SILENCES = 6
_MOST_ERROR_BYTES = 64 << 10
_OK = 200


class ByteStream:
    """The bytes of a response as they arrive.

    Attributes:
        has_begun: set it once the answer has begun; until then the server may be reading a prompt, for any time.
    """

    def __init__(self, pieces: AsyncIterator[bytes], while_alive: WhileAlive) -> None:
        self._pieces = pieces
        self._while_alive = while_alive
        self.has_begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield pieces, none of which is empty."""
        while piece := await self._while_alive(anext(self._pieces, b""), self.has_begun):
            yield piece


class Connection:
    """Requests to one server, each of which ends in time.

    A silent server is asked whether it is alive: reading a long prompt may take minutes, in which nothing arrives. One
    that sends another answer meanwhile need not say so.

    Args:
        url: as the operator wrote it.
        key: a bearer token; empty for none.
        silent_seconds: how long a server may be silent before it is asked, and how long it may take to answer that.
        streams: upper bound of streams at once.

    Attributes:
        url: likewise.

    Raises:
        ConfigurationError: the environment names a proxy of a kind that cannot be used.
    """

    def __init__(self, url: str, key: str, silent_seconds: float, streams: int) -> None:
        self.url = url
        self._silent_seconds = silent_seconds
        self._signs = 0  # of life, of all streams
        self._closing: set[asyncio.Task[None]] = set()
        seconds = min(_CONNECT_SECONDS, silent_seconds)
        try:
            self._http = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(None, connect=seconds, pool=None),
                limits=httpx.Limits(max_connections=streams + 4, keepalive_expiry=_KEEP_SECONDS),
                follow_redirects=False,  # the key and members' words go where the operator said, and nowhere else
                trust_env=not is_loopback(url),  # a proxy elsewhere has no way to this machine's own servers
                verify=ssl.create_default_context(),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # httpx speaks SOCKS only with another package
            raise ConfigurationError(
                f"the proxy in the environment (ALL_PROXY, HTTP_PROXY or HTTPS_PROXY) cannot be used for {url}; name "
                "an HTTP proxy there, or the server's host in NO_PROXY"
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ask(self, path: str, body: dict[str, Any] | None = None, *, beside_api: bool = False) -> Any:
        """Return the parsed JSON of a small response; None where the server has no such address.

        Args:
            path: such as `/models`.
            body: to post; None gets.
            beside_api: whether the path is not below `/v1`.

        Raises:
            ServerLostError: it does not answer in time, or not with success.
        """
        address = (root_of(self.url) if beside_api else api_of(self.url)) + path
        method = "GET" if body is None else "POST"
        try:
            async with asyncio.timeout(self._silent_seconds):
                response = await self._http.request(method, address, json=body)
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise self._lost(error) from error
        if response.status_code in (404, 405, 501):
            return None
        if response.status_code != _OK:
            raise error_of_status(self.url, response.status_code, _parsed(response.content))
        return _parsed(response.content)

    @asynccontextmanager
    async def stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[ByteStream]:
        """Post a request and yield the response's bytes. Leaving the block closes the connection.

        Raises:
            ServerLostError, ServerBusyError, RequestRefusedError: there is no response with success.
        """
        request = self._http.build_request("POST", api_of(self.url) + path, json=body)
        opened = AsyncExitStack()  # also closes a response that arrives while nobody waits for it any more

        async def respond() -> httpx.Response:
            response = await self._http.send(request, stream=True)
            opened.push_async_callback(response.aclose)
            return response

        try:
            response = await self.while_alive(respond())
            if response.status_code != _OK:
                content = await self.while_alive(_beginning(response))
                retry_after = response.headers.get("Retry-After")
                raise error_of_status(self.url, response.status_code, _parsed(content), retry_after)
            is_encoded = "content-encoding" in response.headers
            yield ByteStream(response.aiter_bytes() if is_encoded else response.aiter_raw(), self.while_alive)
        except (httpx.HTTPError, OSError) as error:
            raise self._lost(error) from error
        finally:
            await self._to_its_end(opened.aclose())

    async def while_alive(self, awaited: Awaitable[Result], has_begun: bool = False) -> Result:
        """Wait for a server's next sign; while there is none, ask now and then whether it is alive.

        Args:
            has_begun: whether an answer has begun, which must not stop for long even if the server is alive.

        Raises:
            ServerLostError: it is not alive, or stopped.
        """
        task, silences = asyncio.ensure_future(awaited), 0
        task.add_done_callback(self._note_sign)
        try:
            while not (await asyncio.wait({task}, timeout=self._silent_seconds))[0]:
                silences += 1
                if has_begun and silences >= _MOST_SILENCES:
                    raise ServerLostError(f"{self.url} stopped in the middle of an answer; look at its log")
                await self._require_alive()
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _to_its_end(self, closing: Coroutine[Any, Any, None]) -> None:
        """Await something that no cancellation interrupts: a connection that is half closed counts for ever."""
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        await asyncio.shield(task)

    def _note_sign(self, task: asyncio.Future[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._signs += 1

    async def _require_alive(self) -> None:
        signs = self._signs
        try:
            with suppress(ServerBusyError, RequestRefusedError):  # answers, too
                await self.ask("/models")
        except ServerDownError:
            if self._signs == signs:  # otherwise it streams, and may have no thread left for this
                raise

    def _lost(self, error: BaseException) -> ServerLostError:
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return ServerDownError(f"{self.url} does not answer within {self._silent_seconds:g} s; look at its log")
        return unreachable(self.url, error)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")


def is_public(url: str) -> bool:
    """Whether an address, or one that its name stands for, is outside of private networks. Looks the name up."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return False  # it cannot be reached either
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    return any(each.is_global for each in addresses)


async def _beginning(response: httpx.Response) -> bytes:
    content = b""
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > _MOST_ERROR_BYTES:
            break
    return content


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
