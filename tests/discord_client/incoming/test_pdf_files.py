"""PDFs among the attachments of messages: their text, and the line about each that is not read."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot.discord_client.incoming import pdf_text
from bot.discord_client.incoming.pdf_text import MOST_PAGES, PdfText, UnreadablePdfError, read_pdf
from bot.discord_client.incoming.text_files import read_files
from tests.discord_client.incoming.pdf_files import ENDLESS, GROWING, PROTECTED, pdf_of
from tests.discord_client.incoming.test_text_files import KILOBYTE, message_with, read, texts_of
from tests.discord_client.stage import Stage
from tests.prompting.template_children import children

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOAT = pdf_of("Our boat is called Minnow.", "", "Gr\u00fc\u00dfe")
CUT = (
    "I read only the beginning of {}: at most 50 pages, and {} of text per message. "
    "Copy the part that you mean into a message."
)
UNREADABLE = "I could not read {}. Copy the text into a message."


async def test_the_pages_of_a_pdf_are_read_in_order(stage: Stage) -> None:
    found = await read(stage, ("boat.pdf", BOAT), ("note.txt", b"hi"))
    assert texts_of(found) == {"boat.pdf": "Our boat is called Minnow.\n\nGr\u00fc\u00dfe", "note.txt": "hi"}
    assert found.remarks == ()
    assert found.bytes_read == len("Our boat is called Minnow.\n\nGr\u00fc\u00dfe".encode()) + 2


async def test_the_content_type_tells_a_pdf_without_an_extension(stage: Stage) -> None:
    message = await message_with(stage, ("paper", BOAT))
    message.attachments[0].content_type = "application/pdf"
    assert texts_of(await read_files(message.attachments, KILOBYTE))["paper"].startswith("Our boat")


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (pdf_of("", ""), "I found no text in {}, as in a scan. Copy the text into a message."),
        (PROTECTED, "I cannot open {}, because of a protection. Send {} without it."),
        (b"", UNREADABLE),
        (b"\x89PNG", UNREADABLE),
        (BOAT[:200], UNREADABLE),
    ],
    ids=["no text", "protected", "empty", "no PDF", "torn"],
)
async def test_what_cannot_be_read_has_one_line_and_hinders_no_other(stage: Stage, content: bytes, remark: str) -> None:
    found = await read(stage, ("a.pdf", content), ("b.pdf", BOAT))
    assert list(texts_of(found)) == ["b.pdf"]
    assert found.remarks == (remark.format("a.pdf", "it"),)


async def test_pages_beyond_the_bound_are_left_out(stage: Stage) -> None:
    found = await read(stage, ("a.pdf", pdf_of(*(f"page {number}" for number in range(1, MOST_PAGES + 2)))))
    assert texts_of(found)["a.pdf"].splitlines()[-1] == f"page {MOST_PAGES}"
    assert found.remarks == (CUT.format("a.pdf", "102.4 kB"),)


async def test_text_beyond_the_bound_is_left_out_and_leaves_nothing_to_the_next(stage: Stage) -> None:
    texts = "x" * 1000, "\u00fc" * 1000
    found = await read(stage, ("a.pdf", pdf_of(*texts)), ("b.pdf", BOAT), largest_bytes=KILOBYTE)
    (text,) = texts_of(found).values()
    assert text == f"{texts[0]}\n\n{texts[1][:11]}"
    assert found.remarks[0] == CUT.format("a.pdf", "1024 bytes")
    assert "I skipped b.pdf: it is too large." in found.remarks[1]


async def test_a_pdf_that_is_too_large_is_not_downloaded(stage: Stage) -> None:
    message = await message_with(stage, ("a.pdf", BOAT))
    message.attachments[0].size = 10_000_001
    found = await read_files(message.attachments, KILOBYTE)
    assert found.remarks == ("I skipped a.pdf: I read PDFs of at most 10 MB. Send fewer pages.",)


@pytest.mark.parametrize("hostile", [ENDLESS, GROWING], ids=["time", "memory"])
async def test_a_hostile_pdf_ends_with_its_child_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch, hostile: bytes
) -> None:
    monkeypatch.setattr(pdf_text, "_SECONDS", 3.0)
    began = time.monotonic()
    reading = asyncio.create_task(read_pdf(hostile, KILOBYTE))
    latest, longest = began, 0.0
    while not reading.done():
        await asyncio.sleep(0.01)
        latest, longest = time.monotonic(), max(longest, time.monotonic() - latest)
    with pytest.raises(UnreadablePdfError):
        await reading
    assert latest - began < 8
    assert longest < 1, "the event loop stood still"
    assert not children()
    assert await read_pdf(BOAT, KILOBYTE) == PdfText("Our boat is called Minnow.\n\nGr\u00fc\u00dfe", is_whole=True)


async def test_files_that_take_too_long_together_are_not_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_client.incoming.text_files._SECONDS", 1.0)
    monkeypatch.setattr(pdf_text, "_SECONDS", 2.0)
    found = await read(stage, ("a.pdf", ENDLESS), ("b.pdf", BOAT))
    assert texts_of(found) == {}
    assert found.remarks == (
        "I could not download b.pdf from Discord. Send it again.",
        UNREADABLE.format("a.pdf"),
    )
