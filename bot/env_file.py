"""Reads `.env`. A line that python-dotenv would skip, expand or overwrite without a word ends with an error instead."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from bot.errors import ConfigurationError, SettingError

_OF_SEVERAL_LINES = {"SYSTEM_PROMPT"}
_NO_PAIR = "not NAME=VALUE; see .env.example"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_VALUE = re.compile(r"\s*(?:export\s+)?[A-Za-z0-9_]+\s*=[^\S\r\n]*")
_BACKSLASHES = re.compile(r"\\+")
_NAME_SHAPE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_COLON = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,60})\s*:")
_LINE_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,60})")
_QUOTED = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]{0,60})\s*=\s*([\"'])(.*)")


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a file of settings holds.

    Attributes:
        values: as they are written, by the lower-case names of their settings.
        mistakes: the lines that are left out of them, in the order of the file. A message never holds a value.
        is_read: False if the whole file is left out, so that nobody knows what it sets.
    """

    values: Mapping[str, str]
    mistakes: Sequence[SettingError]
    is_read: bool = True


def read_env_file(path: Path, known: Collection[str], texts: Collection[str] = ()) -> EnvFile:
    """Read the values and the mistakes of a file.

    Args:
        path: need not exist.
        known: the names that are allowed, in upper case.
        texts: those among them whose values may hold any character, so that a # may be meant.
    """
    try:
        text = _text_of(path)
    except ConfigurationError as error:
        return EnvFile({}, [SettingError(str(error))], is_read=False)
    return read_env_text(text, path, known, texts)


def read_env_text(text: str, path: Path, known: Collection[str], texts: Collection[str] = ()) -> EnvFile:
    """Read the text of a file; see `read_env_file`. Messages name `path`."""
    values: dict[str, str] = {}
    mistakes: list[SettingError] = []
    first_lines: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text, newline="")):
        try:
            pair = _checked_pair(path, binding, known, texts, first_lines)
        except ConfigurationError as error:
            mistakes.append(SettingError(str(error), _setting_of(binding, known)))
        else:
            if pair is not None:
                values[pair[0].lower()] = pair[1]
    return EnvFile(values, mistakes)


def _checked_pair(
    path: Path, binding: Binding, known: Collection[str], texts: Collection[str], first_lines: dict[str, int]
) -> tuple[str, str] | None:
    """The name, in upper case, and the value of a line; None for a comment. Notes the name's line."""
    line = _first_line(binding)
    where = f"{path}, line {line}"
    if binding.error:
        raise ConfigurationError(f"{where}: {_mistake(binding)}")
    if binding.key is None:
        return None
    name, value = _checked_name(binding, known, where), binding.value or ""
    if name in first_lines:
        raise ConfigurationError(
            f"{where}: {name} is set a second time (first in line {first_lines[name]}); remove one"
        )
    _check_value(name, value, known, where)
    _check_writing(name, binding, texts, where)
    first_lines[name] = line
    return name, value


def _setting_of(binding: Binding, known: Collection[str]) -> str:
    """The setting that a line with a mistake is about; "" if that is not known."""
    named = _LINE_NAME.match(binding.original.string)
    name = named[1].upper() if named is not None else ""
    return name if name in known else ""


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigurationError(f"{path} is a link to a file that does not exist; correct or remove it") from None
        return ""
    except IsADirectoryError:
        raise ConfigurationError(
            f"{path} is a folder; remove it (Docker makes one where a file to mount is missing) and copy .env.example "
            f"to {path}"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _lines_before(content[: error.start].decode("utf-8", errors="replace")) + 1
        raise ConfigurationError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        line = _lines_before(text[: text.index("\0")]) + 1
        raise ConfigurationError(f"{path}, line {line}: has a NUL character; remove it, or save the file as UTF-8")
    return text


def _first_line(binding: Binding) -> int:
    """The line of the name; python-dotenv counts from the empty lines before it."""
    string = binding.original.string
    return binding.original.line + _lines_before(string[: len(string) - len(string.lstrip())])


def _lines_before(text: str) -> int:
    return len(re.findall(r"\r\n|\n|\r", text))


def _mistake(binding: Binding) -> str:
    """What is wrong with a line that python-dotenv cannot read. The line itself may be a secret."""
    string = binding.original.string
    if (quoted := _QUOTED.match(string)) is not None:
        name, quote, rest = quoted.groups()
        if quote in rest:
            return f"something follows the closing quote of {name}; remove it, or put \\ before quotes inside the value"
        return f"the quote that {name} begins with is not closed; end the value with {quote}"
    if (colon := _COLON.match(string)) is not None:
        return _colon_mistake(colon)
    return _NO_PAIR


def _colon_mistake(colon: re.Match[str]) -> str:
    return f"{colon[1]} is followed by a colon; write {colon[1]}=VALUE"


def _checked_name(binding: Binding, known: Collection[str], where: str) -> str:
    """The name in upper case. Without this, a misspelt name would leave its setting at the default."""
    key = binding.key or ""
    name = key.upper()
    if (colon := _COLON.match(key)) is not None and colon[1].upper() in known:
        raise ConfigurationError(f"{where}: {_colon_mistake(colon)}")
    if binding.value is None and name in known:
        raise ConfigurationError(f"{where}: {key} has no value; write {key}=VALUE")
    if binding.value is None or not _NAME_SHAPE.fullmatch(key):
        # Not shown: it may be the token, or a database's address, pasted without its name.
        raise ConfigurationError(f"{where}: {_NO_PAIR}")
    if name not in known:
        near = [each for each in known if name in each] or difflib.get_close_matches(name, known)
        hint = f"did you mean {near[0]}?" if near else "see .env.example for the names"
        raise ConfigurationError(f"{where}: {key} is not a setting; {hint}")
    return name


def _check_value(name: str, value: str, known: Collection[str], where: str) -> None:
    """Refuse what a quote makes of a value without a word: further lines, or a control character for a backslash."""
    names = "|".join(map(re.escape, known))
    swallowed = re.search(rf"[\r\n]\s*(?:export\s+)?({names})\s*=", value, re.IGNORECASE)
    if swallowed is not None:
        raise ConfigurationError(f"{where}: the quote that {name} begins with is not closed before {swallowed[1]}")
    if has_stray_control(name, value):
        one_line = "" if name in _OF_SEVERAL_LINES else "in one line, and "
        raise ConfigurationError(
            f"{where}: {name} has a line break or another control character; write the value {one_line}in single "
            "quotes if it has a backslash"
        )


def has_stray_control(name: str, value: str) -> bool:
    """Whether a value has a control character that its setting cannot mean."""
    return bool((_CONTROL_IN_LINES if name in _OF_SEVERAL_LINES else _CONTROL).search(value))


def _check_writing(name: str, binding: Binding, texts: Collection[str], where: str) -> None:
    """Refuse what python-dotenv leaves out of a value, or adds to it, where that may not be meant."""
    written = _VALUE.sub("", binding.original.string, count=1).rstrip()
    quotes = "double quotes" if "'" in written else "single quotes"
    if written.startswith("#"):
        raise ConfigurationError(
            f"{where}: the value of {name} begins with #; put a comment in a line of its own, or the value in {quotes}"
        )
    if written[:1] in ("'", '"'):
        backslashes = {len(each) for each in _BACKSLASHES.findall(written.replace(f"\\{written[0]}", ""))}
        if 1 in backslashes and len(backslashes) > 1 and name not in _OF_SEVERAL_LINES:
            raise ConfigurationError(
                f"{where}: {name} has double and single backslashes, and quotes turn two into one; write the value "
                "without quotes"
            )
        return
    if name in _OF_SEVERAL_LINES and "\\n" in written:
        raise ConfigurationError(
            f"{where}: {name} has \\n, which is a line break in double quotes only; put the value in them, or in "
            "single quotes to keep it"
        )
    comment = re.search(r"\s#(.?)", written)
    if comment is not None and name in texts and (name in _OF_SEVERAL_LINES or comment[1].strip()):
        raise ConfigurationError(
            f"{where}: the value of {name} would end before the #, like at a comment; put the value in {quotes}, or a "
            "comment in a line of its own"
        )
