"""What the buttons below a reply have in common."""

from __future__ import annotations

from typing import Protocol

import discord


class ReplyButtons(Protocol):
    """Which buttons are below the last message of a reply. Equal ones look alike, so no edit is needed between them."""

    def view(self) -> discord.ui.View:
        """The buttons, new for each request."""
        ...
