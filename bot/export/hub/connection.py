"""Asks the hub for the content of one file, from one byte on."""

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
    """Ask for a file's content from one byte on.

    The client's own `http_get` hands content on in pieces of 10 MiB, which are lost when the line breaks.

    Args:
        repository: that holds the file.
        file: whose content is wanted.
        start: the first byte that is wanted.

    Yields:
        Where the content begins, which is 0 if the server cannot begin at `start`; and the content, piece by piece.

    Raises:
        httpx.HTTPError: the hub cannot be reached, the line broke, something else came, or the hub refuses.
    """
    headers = build_hf_headers(headers={"Accept-Encoding": "identity"})  # a range of packed content is of no use
    if start:
        headers["Range"] = f"bytes={start}-"
    url = hf_hub_url(repository.name, file.name, revision=repository.commit, endpoint=endpoint())
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        yield _beginning(response, file, start), response.iter_bytes()


def _beginning(response: httpx.Response, file: HubFile, start: int) -> int:
    """Return where a file's content begins, unless it is another page: no proxy's notice may cost a part its bytes."""
    status, headers = response.status_code, response.headers
    length = None if "Content-Encoding" in headers else headers.get("Content-Length")
    if status == httpx.codes.PARTIAL_CONTENT and headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return start
    if status == httpx.codes.OK and (length == str(file.bytes) or (length is None and start == 0)):
        return 0
    raise httpx.RemoteProtocolError(f"what comes is not {file.name}: status {status}, {length or 'unknown'} bytes")
