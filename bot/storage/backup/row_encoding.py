"""Rows as lines of JSON, the same for both databases."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, LargeBinary
from sqlalchemy.types import TypeEngine

from bot.storage.tables import AnyText

_LEAST, _MOST = -(2**63), 2**63 - 1


class Kind(StrEnum):
    """What a column holds, besides NULL."""

    INTEGER = "integer"
    TEXT = "text"
    BOOLEAN = "boolean"
    BYTES = "bytes"
    JSON = "json"


_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.INTEGER: BigInteger(),
    Kind.TEXT: AnyText(),
    Kind.BOOLEAN: Boolean(),
    Kind.BYTES: LargeBinary(),
    Kind.JSON: JSON(none_as_null=True),
}
_PYTHON_TYPES: dict[Kind, type[Any]] = {Kind.INTEGER: int, Kind.TEXT: str, Kind.BOOLEAN: bool, Kind.BYTES: str}


def sql_type(kind: Kind) -> TypeEngine[Any]:
    """The type with which SQLAlchemy reads and writes a column."""
    return _TYPES[kind]


def kind_of(column_type: TypeEngine[Any]) -> Kind:
    """What a column of a type holds."""
    for kind, known in _TYPES.items():
        if column_type._type_affinity is known._type_affinity:
            return kind
    if column_type.python_type is int:
        return Kind.INTEGER
    raise TypeError(f"a backup cannot hold columns of the type {column_type!r}")


def encode(row: Iterable[Any]) -> bytes:
    """A row as a line."""
    values = [base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in row]
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes, kinds: Sequence[Kind]) -> list[Any]:
    """The row in a line.

    Raises:
        ValueError: it is no row with columns of these kinds.
    """
    try:
        values = json.loads(line)
    except RecursionError as error:
        raise ValueError("a row is nested too deeply") from error
    if not isinstance(values, list) or len(values) != len(kinds):
        raise ValueError("a row has other columns than its table")
    return [_decoded(value, kind) for value, kind in zip(values, kinds, strict=True)]


def _decoded(value: Any, kind: Kind) -> Any:
    if value is None or kind is Kind.JSON:
        return value
    expected: object = _PYTHON_TYPES[kind]
    if type(value) is not expected:  # `bool` is a subclass of `int`
        raise ValueError(f"a value is no {kind}")
    if kind is Kind.BYTES:
        return _bytes_of(value)
    if kind is Kind.INTEGER:
        _require_64_bits(value)
    return value


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # the original error shows what it cannot read
        raise ValueError("a value is no bytes") from None


def _require_64_bits(number: int) -> None:
    if not _LEAST <= number <= _MOST:
        raise ValueError("a number is too large")
