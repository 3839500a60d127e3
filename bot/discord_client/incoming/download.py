"""Downloads attachments. discord.py's own `Attachment.read` takes whatever a server sends into memory."""

from __future__ import annotations

import aiohttp

# Packed content could grow beyond all bounds when it is unpacked.
_HEADERS = {"Accept-Encoding": "identity"}


class DownloadError(Exception):
    """The server did not send the content; the text is for the log."""


class TooLargeError(Exception):
    """The content is larger than the bound."""


def download_session() -> aiohttp.ClientSession:
    """A session for `download`. Time limits are the caller's."""
    return aiohttp.ClientSession(
        headers=_HEADERS,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def download(session: aiohttp.ClientSession, url: str, most_bytes: int) -> bytes:
    """Read the content at an address, without ever holding much more than the bound.

    Raises:
        TooLargeError: there are more bytes than `most_bytes`; the rest is not read.
        DownloadError: the server answers with anything but the content. Redirects are not followed.
        aiohttp.ClientError: the network failed, or the server does not speak HTTP.
        OSError: the same.
    """
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise DownloadError(f"status {response.status}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise DownloadError("the content is packed, although that was not asked for")
        if response.content_length is not None and response.content_length > most_bytes:
            raise TooLargeError
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most_bytes:
                raise TooLargeError
        return bytes(content)
