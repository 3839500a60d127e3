"""Fills in a bot's modal as a person does, and builds what the interaction carries."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from simcord import _modal
from simcord.enums import ComponentType

from bot.demo.loopback.resolved_entities import ResolvedEntities
from bot.demo.loopback.values import LARGEST_FILE, LoopbackError, Payload

_MENUS_OF_ENTITIES = (
    ComponentType.USER_SELECT,
    ComponentType.ROLE_SELECT,
    ComponentType.MENTIONABLE_SELECT,
    ComponentType.CHANNEL_SELECT,
)
_WITH_OPTIONS = (ComponentType.STRING_SELECT, ComponentType.RADIO_GROUP, ComponentType.CHECKBOX_GROUP)


def modal_data(modal: Payload, values: Mapping[str, object], resolved: ResolvedEntities) -> Payload:
    """Fill in a modal. A field without a value in `values` keeps the bot's.

    Args:
        resolved: receives the entities and files that are chosen.

    Raises:
        LoopbackError, SetupError: a field is unknown, or its value is missing or not allowed.
    """
    form = copy.deepcopy(modal)
    fields: dict[str, Payload] = _modal._modal_control_map(form)
    if unknown := [name for name in values if name not in fields]:
        raise LoopbackError(f"the modal has no field {unknown[0]!r}; it has {', '.join(fields)}")
    given = {name: value for name, field in fields.items() if (value := _preset(field)) is not None}
    given |= {name: _normal(fields[name], value) for name, value in values.items()}
    menus = _offer_entities(fields, given, resolved)
    uploads: list[tuple[Payload, str, bytes]] = []
    filled = _modal._modal_submit_nodes(form["components"], None, given, {}, 0, uploads)
    for field, filename, content in uploads:
        if len(content) > LARGEST_FILE:
            raise LoopbackError(f"Discord refuses: {filename} is over 10 MiB")
        field["values"].append(resolved.add_file(filename, content))
    for field in _leaves(filled):
        field["type"] = menus.get(field["custom_id"], field["type"])
    return {"custom_id": modal["custom_id"], "components": filled}


def _preset(field: Payload) -> Any | None:
    """Return the value that a field has before anybody touches it, or None."""
    kind = field["type"]
    if kind == ComponentType.TEXT_INPUT:
        return field.get("value") or None
    if kind in _WITH_OPTIONS:
        chosen = [option["value"] for option in field.get("options") or () if option.get("default")]
    else:
        chosen = [str(one["id"]) for one in field.get("default_values") or ()]
    if kind == ComponentType.RADIO_GROUP:
        return chosen[0] if chosen else None
    return chosen or None


def _normal(field: Payload, value: Any) -> Any:
    """Return a value in simcord's form: a list for everything of which several can be chosen."""
    is_list = field["type"] in (*_MENUS_OF_ENTITIES, ComponentType.STRING_SELECT, ComponentType.CHECKBOX_GROUP)
    if is_list and (isinstance(value, str | int) or not isinstance(value, Sequence)):
        return [value]
    return value


def _offer_entities(fields: Mapping[str, Payload], given: dict[str, Any], resolved: ResolvedEntities) -> dict[str, int]:
    """Turn menus of entities into menus of their ids, because simcord takes only objects of its own in them.

    Returns:
        The types of these menus, by custom id.
    """
    menus: dict[str, int] = {}
    for name, field in fields.items():
        if field["type"] not in _MENUS_OF_ENTITIES:
            continue
        menus[name] = field["type"]
        if name in given:
            given[name] = [resolved.add_menu_value(field["type"], one) for one in given[name]]
        field["options"] = [{"value": one} for one in given.get(name, ())]
        field["type"] = ComponentType.STRING_SELECT
    return menus


def _leaves(nodes: Sequence[Payload]) -> list[Payload]:
    """List the filled fields of a modal without their layout."""
    found: list[Payload] = []
    for node in nodes:
        children = node.get("components") or ([node["component"]] if node.get("component") else [])
        if children:
            found += _leaves(children)
        elif "custom_id" in node:
            found.append(node)
    return found
