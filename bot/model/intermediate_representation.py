"""Reads an OpenVINO model's `openvino_model.xml` without OpenVINO, in pieces: a large file costs time, not memory.

The format: https://docs.openvino.ai/2026/documentation/openvino-ir-format.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PIECE_BYTES = 1 << 20
_MOST_BYTES = 1 << 29  # the largest in use have some 50 MB
OVERLAP_BYTES = 1 << 10  # longer than a constant's `<data …/>` and than the logits, which may lie across two pieces

# Every repetition is bounded: in a file made for it, an unbounded one takes hours.
_CONSTANT = re.compile(rb'<data [^<>]{0,500}?offset="(\d{1,18})" size="(\d{1,18})"')
_LOGITS = re.compile(
    rb'type="Result"[^>]{0,100} output_names="logits"[^>]{0,100}>\s{0,50}<input>(.{0,500}?)</input>', re.DOTALL
)
_WIDTH = re.compile(rb"<dim>(\d{1,18})</dim>\s{0,50}</port>")
_OPTION = re.compile(r'<(mode|group_size|ratio) value="([^"]{0,200})"')


@dataclass(frozen=True, slots=True)
class IntermediateRepresentation:
    """What the file says about itself and the weights.

    Attributes:
        is_whole: whether it has an end, which a cut-off file lacks.
        weights_bytes: the least size of the weights file beside it.
        logits_width: how many tokens the model chooses among; None if the file does not say it.
        weight_compression: the settings of NNCF's weight compression (`mode`, `group_size`, `ratio`), as written;
            empty without any.
    """

    is_whole: bool
    weights_bytes: int
    logits_width: int | None
    weight_compression: dict[str, str]


def read_intermediate_representation(path: Path) -> IntermediateRepresentation:
    """Read an `openvino_model.xml`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than any graph.
    """
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path.name} has {size:,} bytes, more than the {_MOST_BYTES:,} that it may have")
    weights_bytes, logits_width = 0, None
    piece = last = b""
    with path.open("rb") as file:
        while new := file.read(PIECE_BYTES):
            last = piece
            piece = piece[-OVERLAP_BYTES:] + new
            for offset, size in _CONSTANT.findall(piece):
                weights_bytes = max(weights_bytes, int(offset) + int(size))
            logits_width = _read_logits_width(piece) or logits_width
    tail = (last + piece[OVERLAP_BYTES if last else 0 :]).decode("utf-8", errors="replace")
    return IntermediateRepresentation(
        is_whole=tail.rstrip().endswith("</net>"),
        weights_bytes=weights_bytes,
        logits_width=logits_width,
        weight_compression=_read_weight_compression(tail),
    )


def _read_logits_width(piece: bytes) -> int | None:
    logits = _LOGITS.search(piece)
    width = _WIDTH.search(logits[1]) if logits else None
    return int(width[1]) if width else None


def _read_weight_compression(tail: str) -> dict[str, str]:
    start = tail.rfind("<rt_info>")  # a layer may have one, too; the model's own comes last
    if start < 0:
        return {}
    _, _, section = tail[start:].partition("<weight_compression>")
    section, end, _ = section.partition("</weight_compression>")
    return dict(_OPTION.findall(section)) if end else {}
