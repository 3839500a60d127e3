"""Reads the bodies of REST calls: JSON, or a form with files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from simcord.backend.errors import BackendError


@dataclass(slots=True)
class Upload:
    """A file that came with a call.

    Attributes:
        fp: its content, to be read once.
        filename: its name.
        description: its alternative text, or None.
        size: its length in bytes.
    """

    fp: io.BytesIO
    filename: str
    description: str | None
    size: int


@dataclass(slots=True)
class RequestBody:
    """What came with a call: the JSON value, or None, and the files."""

    data: Any = None
    uploads: list[Upload] = field(default_factory=list)

    def message(self) -> Any:
        """The part that is a message: in an interaction response it is under `data`."""
        if isinstance(self.data, dict) and isinstance(self.data.get("data"), dict):
            return self.data["data"]
        return self.data


async def read_body(request: web.Request) -> RequestBody:
    """Read a call's body. In a form the JSON is the field `payload_json` and the files are `files[0]` and so on.

    Raises:
        BackendError: 50109, it is not JSON; 40005, it is over the server's limit.
    """
    if not request.content_type.startswith("multipart/"):
        return RequestBody(_parsed(await request.text()))
    try:
        form = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise BackendError(413, 40005, "Request entity too large") from None
    payload = form.get("payload_json")
    body = RequestBody(_parsed(payload) if isinstance(payload, str) else None)
    descriptions = _descriptions(body.message())
    for name, value in form.items():
        if isinstance(value, web.FileField):
            content = value.file.read()
            number = name.removeprefix("files[").removesuffix("]")
            body.uploads.append(Upload(io.BytesIO(content), value.filename, descriptions.get(number), len(content)))
    return body


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        raise BackendError(400, 50109, "The request body contains invalid JSON.") from None


def _descriptions(message: Any) -> dict[str, str | None]:
    """The alternative texts by the files' metrics."""
    attachments = message.get("attachments") if isinstance(message, dict) else None
    return {str(one.get("id")): one.get("description") for one in attachments or []}
