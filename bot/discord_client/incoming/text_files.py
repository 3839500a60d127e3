"""Reads the text files that members attach to a message."""

from __future__ import annotations

import asyncio
import codecs
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import aiohttp
import discord

from bot.conversation.turn import TextFile

_DOWNLOAD_SECONDS = 30
_LONGEST_NAME = 80

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
class TextFiles:
    """The attachments of a message.

    Attributes:
        files: the text files, in the message's order.
        remarks: a line for the member about each attachment that was not read.
    """

    files: tuple[TextFile, ...] = ()
    remarks: tuple[str, ...] = ()


class _UnreadError(Exception):
    """An attachment is not read; the text is for the member."""


async def read_text_files(message: discord.Message, largest_bytes: int) -> TextFiles:
    """Download and decode the text files of a message.

    A name tells a text file, or else the content type that Discord reports. Stickers are ignored.

    Args:
        message: without the message-content intent, Discord hides the attachments of some messages.
        largest_bytes: upper bound for all files together; a file that does not fit is skipped whole.
    """
    files: list[TextFile] = []
    remarks: list[str] = []
    left = largest_bytes
    for attachment in filter(_is_text_file, message.attachments):
        try:
            content = await _download(attachment, left, largest_bytes)
            files.append(TextFile(attachment.id, attachment.filename, _decode(content, attachment)))
        except _UnreadError as error:
            remarks.append(str(error))
        else:
            left -= len(content)
    remarks += _remarks_on_others([one for one in message.attachments if not _is_text_file(one)])
    return TextFiles(tuple(files), tuple(remarks))


def _is_text_file(attachment: discord.Attachment) -> bool:
    name = attachment.filename.lower()
    is_named_so = name in _WHOLE_NAMES or PurePosixPath(name).suffix[1:] in _EXTENSIONS
    return is_named_so or (attachment.content_type or "").startswith("text/")


def _remarks_on_others(attachments: Sequence[discord.Attachment]) -> list[str]:
    remarks = []
    if any(one.is_voice_message() for one in attachments):
        remarks.append("I cannot listen to voice messages. Write to me instead.")
    if names := ", ".join(_name(one) for one in attachments if not one.is_voice_message()):
        remarks.append(f"I only read text files, so I skipped {names}.")
    return remarks


async def _download(attachment: discord.Attachment, left: int, largest: int) -> bytes:
    _check_size(attachment, attachment.size, left, largest)
    try:
        async with asyncio.timeout(_DOWNLOAD_SECONDS):
            content = await attachment.read()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise _UnreadError(f"I could not download {_name(attachment)} from Discord. Send it again.") from error
    _check_size(attachment, len(content), left, largest)
    return content


def _check_size(attachment: discord.Attachment, size: int, left: int, largest: int) -> None:
    if size <= left:
        return
    limit = f"I read at most {_size(largest, math.floor)} of text files per message"
    used = "" if left == largest else f" ({_size(left, math.floor)} were left)"
    # Rounded in opposite directions, so that the two never look the same.
    raise _UnreadError(f"I skipped {_name(attachment)}: it is {_size(size, math.ceil)}, and {limit}{used}.")


def _decode(content: bytes, attachment: discord.Attachment) -> str:
    text = _text_of(content)
    if text is None:
        raise _UnreadError(
            f"I skipped {_name(attachment)}: I cannot tell how its text is encoded. If it is text, save it as UTF-8."
        )
    # PostgreSQL refuses NUL in text.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _text_of(content: bytes) -> str | None:
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


def _name(attachment: discord.Attachment) -> str:
    """The file's name, escaped for a Discord message."""
    name = attachment.filename
    shown = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return discord.utils.escape_mentions(discord.utils.escape_markdown(shown))


def _size(size: int, rounded: Callable[[float], int]) -> str:
    for unit, factor in (("MB", 1024**2), ("KB", 1024)):
        if size >= factor:
            return f"{rounded(size * 10 / factor) / 10:g} {unit}"
    return f"{size} bytes"
