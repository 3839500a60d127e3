"""The invite link asks for what the bot needs, and the pages show the same link."""

from __future__ import annotations

import re
from pathlib import Path

import discord
import yarl

from bot.discord_client.invite import invite_link

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {
    "view_channel",
    "send_messages",
    "send_messages_in_threads",
    "create_public_threads",
    "attach_files",
    "read_message_history",
}


def test_the_link_adds_the_bot_and_its_commands_with_just_what_it_needs() -> None:
    link = yarl.URL(invite_link(1234567890))
    assert (link.scheme, link.host, link.path) == ("https", "discord.com", "/oauth2/authorize")
    asked = discord.Permissions(int(link.query["permissions"]))
    assert asked == discord.Permissions(**dict.fromkeys(NEEDED, True))
    assert dict(link.query) == {
        "client_id": "1234567890",
        "scope": "bot applications.commands",
        "permissions": str(asked.value),
    }


def test_the_pages_show_the_same_link() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    links = [link for text in texts for link in re.findall(r"https://discord\.com/oauth2/[^\s`)>]+", text)]
    assert links
    assert set(links) == {invite_link("YOUR_APPLICATION_ID")}
