"""Small PDF files, made without the library that reads them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf_of(*pages: str) -> bytes:
    """A PDF with one line of Western text on each page, or none."""
    return pdf_of_streams(
        [f"BT /F1 12 Tf 20 700 Td ({page}) Tj ET".encode("cp1252") if page else b"" for page in pages]
    )


def pdf_of_streams(streams: Sequence[bytes], *, trailer: bytes = b"", more: Sequence[bytes] = ()) -> bytes:
    """A PDF whose pages have these contents.

    Args:
        trailer: more entries of the trailer.
        more: objects that these refer to; the first has the number 4.
    """
    first = 4 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + 2 * index) for index in range(len(streams)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(streams)),
        _FONT,
        *more,
    ]
    for index, stream in enumerate(streams):
        packed = zlib.compress(stream)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (first + 2 * index + 1),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
        ]
    return _file(objects, trailer)


def _file(objects: Sequence[bytes], trailer: bytes) -> bytes:
    content, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    content_end = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    content += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, content_end)
    return content


PROTECTED = pdf_of_streams(
    [b"BT (Secret) Tj ET"],
    more=[b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <%s> /U <%s> >>" % (b"41" * 32, b"42" * 32)],
    trailer=b"/Encrypt 4 0 R /ID [<00> <00>]",
)
"""A PDF that asks for a password."""

ENDLESS = pdf_of_streams([b"BT /F1 12 Tf (word) Tj ET\n" * 2_000_000])
"""A small PDF whose text takes minutes to read."""

GROWING = pdf_of_streams([b"BT /F1 12 Tf (" + b"x" * 70_000_000 + b") Tj ET"])
"""A small PDF whose text takes gigabytes to read."""
