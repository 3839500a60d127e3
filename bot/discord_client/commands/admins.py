"""Who may know the server and reload the model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import discord

_TEAM_ROLES = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)


def is_admin(interaction: discord.Interaction[Any], admin_ids: Collection[int]) -> bool:
    """Whether whoever used a command is an admin: the application's owner, or one of `ADMIN_IDS`.

    The owner is known since the login. `Bot.is_owner` would ask Discord again, which can take longer than the three
    seconds that an interaction waits.
    """
    return interaction.user.id in admin_ids or interaction.user.id in _owner_ids(interaction.client.application)


def _owner_ids(application: discord.AppInfo | None) -> set[int]:
    if application is None:
        return set()
    if application.team is None:
        return {application.owner.id}
    return {member.id for member in application.team.members if member.role in _TEAM_ROLES}
