"""Reads the text files and the PDFs among the attachments of messages."""

from __future__ import annotations

import asyncio
import codecs
import logging
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import PurePosixPath

import aiohttp
import discord

from bot.conversation.turn import File, TextFile, UnreadFile
from bot.discord_client.incoming.download import DownloadError, TooLargeError, download, download_session
from bot.discord_client.incoming.file_names import listed
from bot.discord_client.incoming.pdf_text import (
    MOST_PAGES,
    MOST_PDF_BYTES,
    EmptyPdfError,
    PdfText,
    ProtectedPdfError,
    UnreadablePdfError,
    read_pdf,
)
from bot.sizes import exact_size

logger = logging.getLogger(__name__)

_SECONDS = 15
"""Time limit for all files of a message together."""

_PDF = "application/pdf"

_TEXT_AND_DATA = """
    txt text md markdown rst adoc asciidoc org tex bib log csv tsv srt vtt diff patch
    json jsonl json5 jsonc ndjson geojson ipynb yaml yml toml ini cfg conf config properties env editorconfig
    xml xsd xsl xslt svg html htm xhtml css scss sass less
"""
_SOURCE_CODE = """
    py pyi pyx js mjs cjs jsx ts mts cts tsx vue svelte astro c h cc cpp cxx hh hpp hxx ino cs fs fsx vb java kt kts
    scala groovy gradle clj cljs edn go rs zig nim d swift m mm dart rb erb php pl pm lua r jl hs lhs ml mli elm ex
    exs erl hrl lisp el scm rkt f f90 f95 for pas asm s v sv vhd vhdl sol wat glsl hlsl vert frag cu cl sql graphql
    gql proto thrift tf hcl nix bazel bzl cmake mk mak sh bash zsh fish ps1 psm1 bat cmd awk sed vim
"""
_NAMED_WITHOUT_EXTENSION = """
    dockerfile containerfile makefile gnumakefile rakefile gemfile procfile vagrantfile jenkinsfile brewfile justfile
    caddyfile pipfile build workspace readme license licence copying authors contributors changelog changes news todo
    notice codeowners .gitignore .gitattributes .dockerignore .editorconfig .env .bashrc .profile .zshrc .vimrc
    .npmrc .prettierrc .eslintrc .babelrc
"""
_EXTENSIONS = frozenset((_TEXT_AND_DATA + _SOURCE_CODE).split())
_WHOLE_NAMES = frozenset(_NAMED_WITHOUT_EXTENSION.split())
_KINDS = {"image": "picture", "video": "video", "audio": "recording"}

# In this order: the mark of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Tab, line feed, vertical tab, form feed, carriage return, and the characters in a terminal's coloured output.
_CONTROLS_IN_TEXT = "\t\n\v\f\r\b\x1b"
_CONTROLS = frozenset(chr(code) for code in (*range(32), *range(127, 160))) - frozenset(_CONTROLS_IN_TEXT)
_MOST_CONTROLS = 0.1
_MOST_FOREIGN = 0.5


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """Attachments that were read as far as they can be.

    Attributes:
        files: one for each attachment, in their order.
        remarks: a line for the member for each reason why attachments were not read, or not whole.
        bytes_read: of all files together; of a PDF, its text counts.
    """

    files: tuple[File, ...] = ()
    remarks: tuple[str, ...] = ()
    bytes_read: int = 0


class _Unread(Enum):
    """Why an attachment is not read."""

    TOO_LARGE = auto()
    NOT_DOWNLOADED = auto()
    NOT_DECODED = auto()
    LARGE_PDF = auto()
    PROTECTED_PDF = auto()
    EMPTY_PDF = auto()
    UNREADABLE_PDF = auto()
    VOICE = auto()
    NOT_TEXT = auto()


class _UnreadError(Exception):
    def __init__(self, reason: _Unread) -> None:
        super().__init__(reason)
        self.reason = reason


async def read_files(attachments: Sequence[discord.Attachment], largest_bytes: int) -> ReadFiles:
    """Download and decode the text files and PDFs among attachments, and say what is not read.

    A name tells a text file, or else the content type that Discord reports.

    Args:
        attachments: without the message-content intent, Discord hides those of some messages.
        largest_bytes: upper bound for all files together; a file that does not fit is skipped whole, but of a PDF the
            beginning is read.
    """
    if not attachments:
        return ReadFiles()
    unread: dict[_Unread, list[str]] = {reason: [] for reason in _Unread}
    cut: list[str] = []
    files: list[File] = []
    left = largest_bytes
    deadline = asyncio.get_running_loop().time() + _SECONDS
    async with download_session() as session:
        for attachment in attachments:
            try:
                read = await _read(session, attachment, left, deadline)
            except _UnreadError as error:
                unread[error.reason].append(attachment.filename)
                files.append(UnreadFile(attachment.id, attachment.filename, _kind(attachment)))
            else:
                files.append(TextFile(attachment.id, attachment.filename, _cleaned(read.text)))
                left -= read.size
                cut += [] if read.is_whole else [attachment.filename]
    return ReadFiles(tuple(files), tuple(_remarks(unread, cut, largest_bytes)), largest_bytes - left)


@dataclass(frozen=True, slots=True)
class _Read:
    text: str
    size: int
    is_whole: bool = True


async def _read(
    session: aiohttp.ClientSession, attachment: discord.Attachment, most_bytes: int, deadline: float
) -> _Read:
    if attachment.is_voice_message():
        raise _UnreadError(_Unread.VOICE)
    if _is_pdf(attachment):
        if most_bytes <= 0:
            raise _UnreadError(_Unread.TOO_LARGE)
        content = await _content(session, attachment, MOST_PDF_BYTES, deadline, _Unread.LARGE_PDF)
        pdf = await _pdf_text(attachment, content, most_bytes, deadline)
        return _Read(pdf.text, len(pdf.text.encode()), pdf.is_whole)
    if not _is_text_file(attachment):
        raise _UnreadError(_Unread.NOT_TEXT)
    content = await _content(session, attachment, most_bytes, deadline, _Unread.TOO_LARGE)
    text = await asyncio.to_thread(_decoded, content)
    if text is None:
        raise _UnreadError(_Unread.NOT_DECODED)
    return _Read(text, len(content))


async def _pdf_text(attachment: discord.Attachment, content: bytes, most_bytes: int, deadline: float) -> PdfText:
    try:
        async with asyncio.timeout_at(deadline):
            return await read_pdf(content, most_bytes)
    except ProtectedPdfError as error:
        raise _UnreadError(_Unread.PROTECTED_PDF) from error
    except EmptyPdfError as error:
        raise _UnreadError(_Unread.EMPTY_PDF) from error
    except (UnreadablePdfError, TimeoutError) as error:
        logger.warning("PDF not read: attachment=%d reason=%s", attachment.id, str(error) or "no time is left for it")
        raise _UnreadError(_Unread.UNREADABLE_PDF) from error


async def _content(
    session: aiohttp.ClientSession,
    attachment: discord.Attachment,
    most_bytes: int,
    deadline: float,
    if_larger: _Unread,
) -> bytes:
    if attachment.size > most_bytes:
        raise _UnreadError(if_larger)
    try:
        async with asyncio.timeout_at(deadline):
            return await download(session, attachment.url, most_bytes)
    except TooLargeError as error:
        raise _UnreadError(if_larger) from error
    except (DownloadError, aiohttp.ClientError, OSError) as error:
        reason = str(error) or type(error).__name__
        logger.warning("Attachment not downloaded attachment=%d reason=%s", attachment.id, reason)
        raise _UnreadError(_Unread.NOT_DOWNLOADED) from error


def _is_pdf(attachment: discord.Attachment) -> bool:
    content_type = (attachment.content_type or "").partition(";")[0].strip()
    return attachment.filename.lower().endswith(".pdf") or content_type == _PDF


def _is_text_file(attachment: discord.Attachment) -> bool:
    name = attachment.filename.lower()
    is_named_so = name in _WHOLE_NAMES or PurePosixPath(name).suffix[1:] in _EXTENSIONS
    return is_named_so or (attachment.content_type or "").startswith("text/")


def _kind(attachment: discord.Attachment) -> str:
    """What a member calls such a file."""
    if attachment.is_voice_message():
        return "voice message"
    content_type = attachment.content_type or mimetypes.guess_type(attachment.filename)[0] or ""
    return _KINDS.get(content_type.partition("/")[0], "file")


def _remarks(unread: Mapping[_Unread, Sequence[str]], cut: Sequence[str], largest_bytes: int) -> Iterator[str]:
    """A line for each reason why attachments are not read, or only their beginning."""
    if cut:
        yield (
            f"I read only the beginning of {listed(cut)}: at most {MOST_PAGES} pages, and {exact_size(largest_bytes)} "
            "of text per message. Copy the part that you mean into a message."
        )
    if names := unread[_Unread.TOO_LARGE]:
        are = "it is" if len(names) == 1 else "they are"
        yield (
            f"I skipped {listed(names)}: {are} too large. "
            f"I read at most {exact_size(largest_bytes)} of text files per message."
        )
    if names := unread[_Unread.NOT_DOWNLOADED]:
        yield f"I could not download {listed(names)} from Discord. Send {_them(names)} again."
    if names := unread[_Unread.NOT_DECODED]:
        yield f"I skipped {listed(names)}: I cannot tell how the text is encoded. Save {_them(names)} as UTF-8."
    yield from _remarks_on_pdfs(unread)
    if unread[_Unread.VOICE]:
        yield "I cannot listen to voice messages. Write to me instead."
    if names := unread[_Unread.NOT_TEXT]:
        yield f"I only read text files and PDFs, so I skipped {listed(names)}."


def _remarks_on_pdfs(unread: Mapping[_Unread, Sequence[str]]) -> Iterator[str]:
    if names := unread[_Unread.LARGE_PDF]:
        yield f"I skipped {listed(names)}: I read PDFs of at most {exact_size(MOST_PDF_BYTES)}. Send fewer pages."
    if names := unread[_Unread.PROTECTED_PDF]:
        yield f"I cannot open {listed(names)}, because of a protection. Send {_them(names)} without it."
    if names := unread[_Unread.EMPTY_PDF]:
        yield f"I found no text in {listed(names)}, as in a scan. Copy the text into a message."
    if names := unread[_Unread.UNREADABLE_PDF]:
        yield f"I could not read {listed(names)}. Copy the text into a message."


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _cleaned(text: str) -> str:
    # PostgreSQL refuses NUL in text.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _decoded(content: bytes) -> str | None:
    """Decode a file; None if it does not look like text."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return _western_text(content) if encoding == "utf-8" else None
    return text if _count(text, _CONTROLS) <= _MOST_CONTROLS * len(text) else None


def _western_text(content: bytes) -> str | None:
    """Decode text from an older Windows program. Almost any bytes decode this way, so the text must look Western."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    foreign = sum(not character.isascii() for character in text)
    return None if _count(text, _CONTROLS) or foreign > _MOST_FOREIGN * len(text) else text


def _count(text: str, characters: frozenset[str]) -> int:
    return sum(text.count(character) for character in characters)
