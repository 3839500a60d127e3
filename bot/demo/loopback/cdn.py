"""Attachments and where they can be downloaded."""

from __future__ import annotations

import mimetypes
from urllib.parse import quote

from bot.demo.loopback.values import Payload


class Cdn:
    """Keeps attachments in memory and gives each an address on this server.

    Attributes:
        base_url: what every address begins with; set before the first attachment is stored.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self._stored: dict[str, tuple[bytes, str]] = {}

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> Payload:
        """Keep a file and return its attachment payload."""
        path = f"/attachments/{channel_id}/{attachment_id}/{quote(filename, safe='')}"
        content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        self._stored[path] = data, content_type
        return {
            "id": str(attachment_id),
            "filename": filename,
            "description": description,
            "size": len(data),
            "url": self.base_url + path,
            "proxy_url": self.base_url + path,
            "content_type": content_type,
        }

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Return the content and the content type of the file at a path below `base_url`, or None."""
        return self._stored.get(path)
