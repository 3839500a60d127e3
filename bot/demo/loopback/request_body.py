"""Reads the body of a REST call: JSON, or a form with files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from simcord.backend.errors import BackendError


@dataclass(slots=True)
class Upload:
    """A file of a REST call. simcord expects these names.

    Attributes:
        fp: the content, which can be read once.
        description: the alternative text.
        size: in bytes.
    """

    fp: io.BytesIO
    filename: str
    description: str | None
    size: int


@dataclass(slots=True)
class RequestBody:
    """The JSON value of a call, or None, and its files.

    Attributes:
        error: why the body cannot be used.
    """

    data: Any = None
    uploads: list[Upload] = field(default_factory=list)
    error: BackendError | None = None

    def message(self) -> Any:
        """Return the part that is a message. In an interaction response it is under `data`."""
        if isinstance(self.data, dict) and isinstance(self.data.get("data"), dict):
            return self.data["data"]
        return self.data


async def read_body(request: web.Request) -> RequestBody:
    """Read a call's body. A form has the JSON in `payload_json` and the files in `files[0]` and so on.

    Returns:
        The body, with error 50109 for invalid JSON and 40005 for a body over the server's limit.
    """
    try:
        return await _read(request)
    except web.HTTPRequestEntityTooLarge:
        return RequestBody(error=BackendError(413, 40005, "Request entity too large"))
    except ValueError:
        return RequestBody(error=BackendError(400, 50109, "The request body contains invalid JSON."))


async def _read(request: web.Request) -> RequestBody:
    if not request.content_type.startswith("multipart/"):
        return RequestBody(_parsed(await request.text()))
    form = await request.post()
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
    return json.loads(text) if text else None


def _descriptions(message: Any) -> dict[str, str | None]:
    """Return the alternative texts by the files' numbers."""
    attachments = message.get("attachments") if isinstance(message, dict) else None
    return {str(one.get("id")): one.get("description") for one in attachments or []}
