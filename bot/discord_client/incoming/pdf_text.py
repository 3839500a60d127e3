"""Reads the text of a PDF in a child process, one PDF at a time, so that many take no more memory than one."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from bot.prompting.child_process import ChildError, ask_child

MOST_PAGES = 50
MOST_PDF_BYTES = 10_000_000
"""About what Discord lets anybody upload."""

_CHILD = "bot.discord_client.incoming.pdf_child"
_SECONDS = 10.0
_READING = ThreadPoolExecutor(max_workers=1, thread_name_prefix="PDF")


class ProtectedPdfError(Exception):
    """The PDF is encrypted."""


class EmptyPdfError(Exception):
    """There is no text in the PDF, such as in a scan."""


class UnreadablePdfError(Exception):
    """The PDF is damaged, or reading it takes too much time or memory; the text is for the log."""


@dataclass(frozen=True, slots=True)
class PdfText:
    """The text of a PDF.

    Attributes:
        is_whole: whether all of it was read.
    """

    text: str
    is_whole: bool


async def read_pdf(content: bytes, most_bytes: int) -> PdfText:
    """Read the text of a PDF's first pages.

    Args:
        content: of the file.
        most_bytes: upper bound for the text in UTF-8; the rest is left out.

    Raises:
        ProtectedPdfError: it is encrypted.
        EmptyPdfError: it has no text.
        UnreadablePdfError: it cannot be read.
    """
    job = {"content": b64encode(content).decode(), "most_pages": MOST_PAGES, "most_bytes": most_bytes}
    asking = partial(ask_child, _CHILD, job, seconds=_SECONDS)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_READING, asking)
    except ChildError as error:
        raise UnreadablePdfError(str(error)) from error
    if found["is_protected"]:
        raise ProtectedPdfError
    if not found["text"]:
        raise EmptyPdfError
    return PdfText(found["text"], found["is_whole"])
