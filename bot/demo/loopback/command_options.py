"""Checks the options of a slash command and builds what the interaction carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simcord.backend.errors import SetupError
from simcord.enums import OptionType
from simcord.interactions import parse_option_input, validate_option_value

from bot.demo.loopback.resolved_entities import ResolvedEntities
from bot.demo.loopback.values import LoopbackError, Payload

_NUMERIC = (OptionType.INTEGER, OptionType.NUMBER)
_BY_ID = (OptionType.USER, OptionType.CHANNEL, OptionType.ROLE, OptionType.MENTIONABLE)


def complete_options(
    name: str, command: Payload, given: Mapping[str, object], resolved: ResolvedEntities
) -> list[Payload]:
    """Return the options of a complete command as the interaction carries them.

    Args:
        name: the command, for errors.
        command: the command or subcommand, with its `options`.
        given: values by option name.
        resolved: receives the entities and files that the options name.

    Raises:
        LoopbackError, SetupError: an option is unknown or missing, or its value is invalid.
    """
    declared = _declared(name, command, given)
    missing = [one for one, option in declared.items() if option.get("required") and one not in given]
    if missing:
        raise LoopbackError(f"/{name} needs the option {missing[0]!r}")
    return [_carried(name, declared[one], value, resolved) for one, value in given.items()]


def options_so_far(
    name: str, command: Payload, given: Mapping[str, object], focused: str, resolved: ResolvedEntities
) -> list[Payload]:
    """Return the options of an unfinished command, for autocomplete.

    Invalid values are left out. The focused option keeps the text as it was typed.
    """
    declared = _declared(name, command, given)
    if not declared.get(focused, {}).get("autocomplete"):
        raise LoopbackError(f"/{name} has no option {focused!r} with autocomplete")
    carried = []
    for one, value in given.items():
        option = declared[one]
        if one == focused or option["type"] == OptionType.ATTACHMENT:
            continue
        try:
            carried.append(_carried(name, option, value, resolved))
        except (LoopbackError, SetupError):
            continue
    typed = str(given.get(focused, ""))
    carried.append({"name": focused, "type": declared[focused]["type"], "value": typed, "focused": True})
    return carried


def _declared(name: str, command: Payload, given: Mapping[str, object]) -> dict[str, Payload]:
    declared = {str(option["name"]): option for option in command.get("options") or []}
    if any(option["type"] in (OptionType.SUBCOMMAND, OptionType.SUBCOMMAND_GROUP) for option in declared.values()):
        raise LoopbackError(f"/{name} is a group; choose one of {', '.join(declared)}")
    unknown = [one for one in given if one not in declared]
    if unknown:
        raise LoopbackError(f"/{name} has no option {unknown[0]!r}; it has {', '.join(declared) or 'none'}")
    return declared


def _carried(name: str, option: Payload, value: object, resolved: ResolvedEntities) -> Payload:
    kind = option["type"]
    carried: Any
    if kind in _BY_ID:
        carried = resolved.add_option(kind, value)
    elif kind == OptionType.ATTACHMENT:
        carried = resolved.add_file(*validate_option_value(name, option, value))
    elif kind in _NUMERIC and isinstance(value, str):
        carried = parse_option_input(name, option, value)
    else:
        carried = validate_option_value(name, option, value)
    return {"name": option["name"], "type": kind, "value": carried}
