"""Reads what is needed of an OpenVINO model's `openvino_model.xml`, without OpenVINO.

The format: https://docs.openvino.ai/2026/documentation/openvino-ir-format.html. The file is read in pieces, so its
size costs time and no memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PIECE_BYTES = 1 << 20
OVERLAP_BYTES = 1 << 10  # longer than a constant's `<data …/>`, which may lie across two pieces

_CONSTANT = re.compile(rb'<data [^>]*?offset="(\d+)" size="(\d+)"')
_WEIGHT_COMPRESSION = re.compile(r"<weight_compression>(.*?)</weight_compression>", re.DOTALL)
_OPTION = re.compile(r'<(mode|group_size|ratio) value="([^"]*)"')


@dataclass(frozen=True, slots=True)
class IntermediateRepresentation:
    """What the file says of itself.

    Attributes:
        is_whole: whether the file reaches its own end.
        weights_bytes: how long the weights file beside it must be at least.
        weight_compression: the settings of NNCF's weight compression (`mode`, `group_size`, `ratio`), as they are
            written; empty if the exporter noted none.
    """

    is_whole: bool
    weights_bytes: int
    weight_compression: dict[str, str]


def read_intermediate_representation(path: Path) -> IntermediateRepresentation:
    """Read an `openvino_model.xml`; raise OSError if it cannot be read."""
    weights_bytes = 0
    piece = last = b""
    with path.open("rb") as file:
        while new := file.read(PIECE_BYTES):
            last = piece
            piece = piece[-OVERLAP_BYTES:] + new
            for offset, size in _CONSTANT.findall(piece):
                weights_bytes = max(weights_bytes, int(offset) + int(size))
    tail = (last + piece[OVERLAP_BYTES if last else 0 :]).decode("utf-8", errors="replace")
    return IntermediateRepresentation(
        is_whole=tail.rstrip().endswith("</net>"),
        weights_bytes=weights_bytes,
        weight_compression=_read_weight_compression(tail),
    )


def _read_weight_compression(tail: str) -> dict[str, str]:
    start = tail.rfind("<rt_info>")  # a layer may have one too; the model's own is the last
    section = _WEIGHT_COMPRESSION.search(tail, start) if start >= 0 else None
    return dict(_OPTION.findall(section[1])) if section else {}
