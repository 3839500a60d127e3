"""Reads an OpenVINO model's `openvino_model.xml` without OpenVINO, in pieces: a large file costs time, not memory.

The format: https://docs.openvino.ai/2026/documentation/openvino-ir-format.html
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
    """What the file says about itself and the weights.

    Attributes:
        is_whole: whether it has an end, which a cut-off file lacks.
        weights_bytes: the least size of the weights file beside it.
        weight_compression: the settings of NNCF's weight compression (`mode`, `group_size`, `ratio`), as written;
            empty without any.
    """

    is_whole: bool
    weights_bytes: int
    weight_compression: dict[str, str]


def read_intermediate_representation(path: Path) -> IntermediateRepresentation:
    """Read an `openvino_model.xml`.

    Raises:
        OSError: it cannot be read.
    """
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
    start = tail.rfind("<rt_info>")  # a layer may have one, too; the model's own comes last
    section = _WEIGHT_COMPRESSION.search(tail, start) if start >= 0 else None
    return dict(_OPTION.findall(section[1])) if section else {}
