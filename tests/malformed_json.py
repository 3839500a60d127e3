"""Values that no model's file should have, but that a broken or a malicious export may write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    7,
    2**31,
    2**70,
    -(2**70),
    0.5,
    1e12,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "a\nb\0c",
    "{{ 1 / 0 }}",
    "{% for m in messages %}",
    "x" * 5000,
)

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "template", "default", "content", "id", "type", "special", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)

CONTENTS: tuple[bytes, ...] = (
    b"",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[1, 2]",
    b"null",
    b'"text"',
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": NaN',
)
"""Whole files that are no JSON objects."""


def change(path: Path, keys: Sequence[str | int], value: object) -> None:
    """Replace a value inside a JSON file; the file may be missing."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(document), encoding="utf-8")


def check_line(message: str) -> None:
    """Check that a refusal is one line of readable length."""
    assert message
    assert "\n" not in message
    assert len(message) < 1500
