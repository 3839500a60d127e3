"""Every row that a table can hold is the same after it was written and read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.storage.backup.row_encoding import Kind, decode, encode

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.TEXT: st.text(),
    Kind.BOOLEAN: st.booleans(),
    Kind.BYTES: st.binary(),
    Kind.JSON: _json,
}


@st.composite
def _rows(draw: st.DrawFn) -> tuple[list[Kind], list[Any]]:
    kinds = draw(st.lists(st.sampled_from(Kind), min_size=1, max_size=8))
    return kinds, [draw(st.none() | _VALUES[kind]) for kind in kinds]


@given(_rows())
def test_a_row_comes_back(row: tuple[list[Kind], list[Any]]) -> None:
    kinds, values = row
    line = encode(values)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    found = decode(line, kinds)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@given(st.binary(), st.lists(st.sampled_from(Kind), max_size=4))
def test_other_bytes_are_a_row_or_refused(line: bytes, kinds: list[Kind]) -> None:
    try:
        assert len(decode(line, kinds)) == len(kinds)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"[1, 2]", Kind.INTEGER),
        (b"[]", Kind.INTEGER),
        (b"{}", Kind.INTEGER),
        (b"[true]", Kind.INTEGER),
        (b"[1.0]", Kind.INTEGER),
        (b"[9223372036854775808]", Kind.INTEGER),
        (b'["1"]', Kind.INTEGER),
        (b"[1]", Kind.TEXT),
        (b"[1]", Kind.BOOLEAN),
        (b'["SECRET"]', Kind.BYTES),
        (b"[" * 100_000, Kind.JSON),
        (b"\xff", Kind.TEXT),
    ],
)
def test_what_is_no_row_is_refused_without_its_content(line: bytes, kind: Kind) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - that it does not show the row is checked below
        decode(line, [kind])
    assert "SECRET" not in str(refused.value)
