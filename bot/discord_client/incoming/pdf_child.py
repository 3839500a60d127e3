"""The child that reads the text of a PDF: a hostile one can take all time or memory, or end the process."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError

from bot.prompting.child_side import answer

_PROCESSOR_SECONDS = 8.0
_MEMORY_BYTES = 1 << 29
_SECONDS = 4.0
"""No page is begun after that; what was read until then is the result."""


def main() -> None:
    """Answer one job: `content` in Base64, `most_pages` and `most_bytes`.

    The result has `text`, of at most `most_bytes` in UTF-8; `is_whole`; and `is_protected`, without any text.
    """
    answer(_read, seconds=_PROCESSOR_SECONDS, memory_bytes=_MEMORY_BYTES)


def _read(job: Mapping[str, Any]) -> dict[str, Any]:
    reader = PdfReader(BytesIO(b64decode(job["content"])))
    try:
        pages, is_whole = _pages(reader, job["most_pages"], job["most_bytes"])
    except (FileNotDecryptedError, DependencyError):
        if not reader.is_encrypted:
            raise
        return {"text": "", "is_whole": False, "is_protected": True}
    content = b"\n\n".join(pages)
    text = content[: job["most_bytes"]].decode("utf-8", "ignore")
    return {"text": text, "is_whole": is_whole and len(content) <= job["most_bytes"], "is_protected": False}


def _pages(reader: PdfReader, most_pages: int, most_bytes: int) -> tuple[list[bytes], bool]:
    """The texts of the first pages that have any, and whether these are all pages."""
    until, size, pages = time.monotonic() + _SECONDS, 0, list[bytes]()
    for number, page in enumerate(reader.pages):
        if number >= most_pages or size > most_bytes or time.monotonic() > until:
            return pages, False
        text = page.extract_text().strip().encode("utf-8", "replace")  # lone surrogates
        if text:
            pages.append(text)
            size += len(text)
    return pages, True
