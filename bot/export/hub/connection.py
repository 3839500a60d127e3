"""Requests a file's content from the hub, starting at any byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]  # public, but not listed

from bot.export.hub.refusals import endpoint
from bot.export.hub.repository import HubFile, HubRepository


@contextmanager
def open_file(repository: HubRepository, file: HubFile, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Request a file's content, starting at one byte.

    The client's own `http_get` hands over pieces of 10 MiB and loses the one that a broken connection cuts off.

    Yields:
        The byte where the content starts, which is 0 if the server cannot start at `start`; and its pieces.

    Raises:
        httpx.HTTPError: the hub is out of reach or refuses, the connection broke, or the response is another page.
    """
    headers = build_hf_headers(headers={"Accept-Encoding": "identity"})  # compressed content has no usable ranges
    if start:
        headers["Range"] = f"bytes={start}-"
    url = hf_hub_url(repository.name, file.name, revision=repository.commit, endpoint=endpoint())
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        yield _first_byte(response, file, start), response.iter_bytes()


def _first_byte(response: httpx.Response, file: HubFile, start: int) -> int:
    """Return where the content starts; refuse another page, so that no proxy's notice costs downloaded bytes."""
    status, headers = response.status_code, response.headers
    length = None if "Content-Encoding" in headers else headers.get("Content-Length")
    if status == httpx.codes.PARTIAL_CONTENT and headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return start
    if status == httpx.codes.OK and (length == str(file.bytes) or (length is None and start == 0)):
        return 0
    raise httpx.RemoteProtocolError(f"the response is not {file.name}: status {status}, {length or 'unknown'} bytes")
