"""Checks how a person uses buttons, menus and modals, and builds what the interaction carries."""

from __future__ import annotations

from collections.abc import Sequence

from simcord.components import walk_components
from simcord.enums import ComponentType

from bot.demo.loopback.resolved_entities import ResolvedEntities
from bot.demo.loopback.values import LoopbackError, Payload


def usable_component(components: Sequence[Payload], custom_id: str, types: Sequence[int]) -> Payload:
    """Find a button or menu on a message.

    Raises:
        LoopbackError: it is missing or disabled.
    """
    for component in walk_components(components):
        if component.get("custom_id") != custom_id or component["type"] not in types:
            continue
        if component.get("disabled"):
            raise LoopbackError(f"{custom_id!r} is disabled")
        return dict(component)
    raise LoopbackError(f"the message has no component {custom_id!r}")


def chosen_values(menu: Payload, values: Sequence[str], resolved: ResolvedEntities) -> list[str]:
    """Check the values chosen from a menu and return them as the interaction carries them."""
    least, most = menu.get("min_values", 1), menu.get("max_values", 1)
    if not least <= len(values) <= most or len(set(values)) != len(values):
        raise LoopbackError(f"the menu takes {least} to {most} different values, not {len(values)}")
    if menu["type"] != ComponentType.STRING_SELECT:
        return [resolved.add_menu_value(menu["type"], value) for value in values]
    offered = [option["value"] for option in menu["options"]]
    for value in values:
        if value not in offered:
            raise LoopbackError(f"the menu does not offer {value!r}; it offers {', '.join(offered)}")
    return list(values)
