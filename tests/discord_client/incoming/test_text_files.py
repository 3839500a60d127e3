"""Which attachments the model reads, and what the bot says about the others."""

from __future__ import annotations

import codecs
import socket
import zlib

import discord
import pytest

from bot.conversation.turn import TextFile, UnreadFile
from bot.discord_client.incoming.text_files import ReadFiles, read_files
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

KILOBYTE = 1024
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))
NOT_TEXT = "I skipped {}: I cannot tell how the text is encoded. Save it as UTF-8."
TOO_LARGE = "I skipped {}: it is too large. I read at most 1024 bytes of text files per message."


async def message_with(stage: Stage, *files: tuple[str, bytes]) -> discord.Message:
    return await stage.say(f"<@{stage.server.bot.id}> look", files=files)


async def read(stage: Stage, *files: tuple[str, bytes], largest_bytes: int = 100 * KILOBYTE) -> ReadFiles:
    return await read_files((await message_with(stage, *files)).attachments, largest_bytes)


def texts_of(found: ReadFiles) -> dict[str, str]:
    """The files that were read; the others must be named."""
    assert all(isinstance(file, TextFile | UnreadFile) for file in found.files)
    return {file.name: file.text for file in found.files if isinstance(file, TextFile)}


async def text_of(stage: Stage, content: bytes) -> str:
    return texts_of(await read(stage, ("message.txt", content)))["message.txt"]


async def test_text_files_of_every_kind_are_read_in_order(stage: Stage) -> None:
    names = ("message.txt", "Notes.MD", "main.rs", "view.ts", "Dockerfile", "data.csv", ".gitignore", "page.html")
    message = await message_with(stage, *[(name, name.encode()) for name in names])
    found = await read_files(message.attachments, KILOBYTE)
    assert texts_of(found) == {name: name for name in names}
    assert [file.id for file in found.files] == [attachment.id for attachment in message.attachments]
    assert found.remarks == ()


async def test_the_content_type_decides_for_an_unknown_extension(stage: Stage) -> None:
    message = await message_with(stage, ("letter.unheard-of", b"Dear you"))
    assert texts_of(await read_files(message.attachments, KILOBYTE)) == {}
    message.attachments[0].content_type = "text/plain; charset=utf-8"
    assert texts_of(await read_files(message.attachments, KILOBYTE)) == {"letter.unheard-of": "Dear you"}


async def test_other_files_are_named_in_one_remark(stage: Stage) -> None:
    found = await read(stage, ("a_b_.png", PICTURE), ("note.txt", b"hi"), ("c.zip", b"PK\x03\x04"))
    assert [(file.name, getattr(file, "kind", "text")) for file in found.files] == [
        ("a_b_.png", "picture"),
        ("note.txt", "text"),
        ("c.zip", "file"),
    ]
    assert found.remarks == (r"I only read text files and PDFs, so I skipped a\_b\_.png and c.zip.",)


async def test_a_voice_message_has_a_remark_of_its_own(stage: Stage) -> None:
    message = await message_with(stage, ("voice-message.ogg", b"OggS"))
    message.attachments[0].duration, message.attachments[0].waveform = 1.5, b"\0"
    found = await read_files(message.attachments, KILOBYTE)
    assert [(file.name, getattr(file, "kind", "text")) for file in found.files] == [
        ("voice-message.ogg", "voice message")
    ]
    assert found.remarks == ("I cannot listen to voice messages. Write to me instead.",)


async def test_a_message_without_files_has_none(stage: Stage) -> None:
    assert await read(stage) == ReadFiles()


@pytest.mark.parametrize(
    "content",
    [
        "Grüße, 你好 👋".encode(),
        codecs.BOM_UTF8 + "Grüße, 你好 👋".encode(),
        codecs.BOM_UTF16_LE + "Grüße, 你好 👋".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "Grüße, 你好 👋".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "Grüße, 你好 👋".encode("utf-32-le"),
    ],
)
async def test_every_kind_of_unicode_is_read(stage: Stage, content: bytes) -> None:
    assert await text_of(stage, content) == "Grüße, 你好 👋"


async def test_text_from_an_older_windows_program_is_read(stage: Stage) -> None:
    assert await text_of(stage, "Grüße für 5 €".encode("cp1252")) == "Grüße für 5 €"


async def test_newlines_are_normalized_and_nuls_removed(stage: Stage) -> None:
    assert await text_of(stage, b"one\r\ntwo\rthree\nfour, \x1b[31mred\x1b[0m, fi\0ve") == (
        "one\ntwo\nthree\nfour, \x1b[31mred\x1b[0m, five"
    )
    assert await text_of(stage, b"") == ""


@pytest.mark.parametrize(
    "content",
    [
        PICTURE,
        zlib.compress(b"text that is packed " * 20),
        bytes(range(32)) * 4,
        "Unicode without its mark".encode("utf-16-le"),
        codecs.BOM_UTF16_LE + b"\x00\xd8odd",
        b"caf\xe9 \x01\x02 header",
        "Привет, это текст".encode("cp1251"),
    ],
)
async def test_binary_content_is_refused_under_any_name(stage: Stage, content: bytes) -> None:
    found = await read(stage, ("file.txt", content), ("after.txt", b"still read"))
    assert found.remarks == (NOT_TEXT.format("file.txt"),)
    assert texts_of(found) == {"after.txt": "still read"}


async def test_a_file_that_is_too_large_is_skipped_whole(stage: Stage) -> None:
    found = await read(
        stage,
        ("first.txt", b"x" * 600),
        ("second.txt", b"y" * 600),
        ("third.txt", b"z" * 424),
        largest_bytes=KILOBYTE,
    )
    assert list(texts_of(found)) == ["first.txt", "third.txt"]
    assert found.remarks == (TOO_LARGE.format("second.txt"),)
    found = await read(stage, ("long.txt", b"x" * (KILOBYTE + 1)), largest_bytes=KILOBYTE)
    assert found.remarks == (TOO_LARGE.format("long.txt"),)


async def test_what_discord_calls_too_large_is_not_downloaded(stage: Stage) -> None:
    message = await message_with(stage, ("note.txt", b"short"))
    message.attachments[0].size = 5 * KILOBYTE * KILOBYTE
    found = await read_files(message.attachments, KILOBYTE)
    assert (texts_of(found), found.remarks) == ({}, (TOO_LARGE.format("note.txt"),))


async def test_a_file_larger_than_discord_says_is_skipped(stage: Stage) -> None:
    message = await message_with(stage, ("long.txt", b"x" * 3 * KILOBYTE))
    message.attachments[0].size = 1
    found = await read_files(message.attachments, KILOBYTE)
    assert (texts_of(found), found.remarks) == ({}, (TOO_LARGE.format("long.txt"),))


async def test_a_failed_download_is_a_remark(stage: Stage) -> None:
    message = await message_with(stage, ("gone.txt", b"1"), ("cut.txt", b"2"), ("there.txt", b"3"))
    gone, cut, _ = message.attachments
    gone.url = f"{stage.server.cdn_url}/attachments/1/2/gone.txt"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        cut.url = f"http://127.0.0.1:{unused.getsockname()[1]}/cut.txt"
        found = await read_files(message.attachments, KILOBYTE)
    assert texts_of(found) == {"there.txt": "3"}
    assert found.remarks == ("I could not download gone.txt and cut.txt from Discord. Send them again.",)


async def test_several_files_share_a_remark(stage: Stage) -> None:
    large = [(f"{number}.txt", b"x" * 2 * KILOBYTE) for number in range(7)]
    found = await read(stage, *large, ("a.txt", PICTURE), ("b.txt", PICTURE), largest_bytes=KILOBYTE)
    assert found.remarks == (
        "I skipped 0.txt, 1.txt, 2.txt, 3.txt and 3 more: they are too large. "
        "I read at most 1024 bytes of text files per message.",
        "I skipped a.txt and b.txt: I cannot tell how the text is encoded. Save them as UTF-8.",
    )


async def test_ten_files_with_long_names_are_a_short_remark(stage: Stage) -> None:
    found = await read(stage, *[(f"{number}{'_' * 250}.png", PICTURE) for number in range(10)])
    (remark,) = found.remarks
    assert len(remark) < 600


async def test_markdown_in_a_file_name_is_escaped(stage: Stage) -> None:
    message = await message_with(stage, ("x.png", PICTURE))
    message.attachments[0].filename = "@everyone**" + "x" * 200 + ".png"
    (remark,) = (await read_files(message.attachments, KILOBYTE)).remarks
    assert "@everyone" not in remark
    assert r"\*\*" in remark
    assert len(remark) < 160
