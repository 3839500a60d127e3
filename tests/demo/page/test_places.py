"""Servers with and without the bot, forums, private channels and the bot's settings on the page."""

from __future__ import annotations

import discord
import pytest
from playwright.async_api import Page, expect

from tests.demo.page.conftest import Demo, Visitor, become
from tests.demo.page.test_commands import command
from tests.demo.page.test_conversation import write

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def settings(page: Page) -> None:
    """Open the settings of the bot."""
    await page.get_by_role("button", name="Bot settings").click()
    await page.get_by_role("dialog").wait_for()


async def save(page: Page) -> None:
    """Save the settings, which closes them."""
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_app_on_ones_account_works_where_the_bot_is_no_member(demo: Demo, visit: Visitor) -> None:
    demo.discord.add_server("Book club")
    page = await visit()
    await page.get_by_role("button", name="Book club").click()
    await expect(page.locator(".server-name")).to_have_text("Book club")
    await expect(page.locator(".members .member")).to_have_count(3)
    await page.locator("#composer").fill("/say")
    await expect(page.locator(".composer .picker")).to_be_hidden()
    await page.locator("#composer").fill("")
    await page.get_by_role("button", name="Add Phi to my account…").click()
    await page.get_by_label("Installed to my account").check()
    await save(page)
    await command(page, "say")
    await page.keyboard.type("good day")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .markdown")).to_contain_text("good day")
    lounge = demo.discord.servers[1].channels[0].id
    assert demo.discord.messages(demo.discord.people[0].id, lounge)[0]["content"] == "good day"


async def test_a_private_channel_is_without_the_bot(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await page.get_by_role("button", name="New direct message").click()
    await page.get_by_label("Grace").check()
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator(".chat-title h2")).to_have_text("Grace")
    await expect(page.locator(".members .role-name")).to_have_text(["Ada", "Grace"])
    await write(page, "just us")
    other = await visit()
    await become(other, "Grace")
    await other.locator(".channel.private button").click()
    await expect(other.locator(".message")).to_contain_text("just us")


async def test_a_post_in_a_forum(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    demo.discord.add_forum("ideas")
    await page.locator("[data-name=ideas]").click()
    await expect(page.locator(".composer")).to_be_hidden()
    await page.get_by_role("button", name="New Post").click()
    await page.get_by_label("Title").fill("A lamp")
    await page.get_by_label("Message").last.fill("@Phi what about a lamp?")
    await page.get_by_label("Files").set_input_files({"name": "lamp.txt", "mimeType": "text/plain", "buffer": b"on"})
    await page.get_by_role("button", name="Post", exact=True).click()
    await expect(page.locator(".chat-title h2")).to_have_text("A lamp")
    await expect(page.locator(".attachment")).to_contain_text("lamp.txt")
    await expect(page.locator(".message").last).to_contain_text("You said: what about a lamp?")
    await page.locator(".crumb").click()
    await expect(page.locator(".posts .thread-link")).to_contain_text("A lamp")


async def test_the_owner_takes_a_right_and_grants_the_intent(demo: Demo, visit: Visitor) -> None:
    page, general = await visit(), demo.discord.channels[0].id
    await settings(page)
    await expect(page.get_by_label("View Channel")).to_be_checked()
    await page.get_by_label("Attach Files").uncheck()
    await page.get_by_label("Message Content Intent").check()
    await save(page)
    await demo.discord.wait_for(lambda: "message_content" in demo.discord.granted_intents)
    rights = demo.discord.permissions_of(demo.discord.bot.id, general)
    assert "attach_files" not in rights
    assert {"view_channel", "send_messages"} <= set(rights)
    await settings(page)
    await expect(page.get_by_label("Attach Files")).not_to_be_checked()
    await page.keyboard.press("Escape")
    await become(page, "Grace")
    await settings(page)
    await expect(page.get_by_role("dialog")).to_contain_text("Only Ada")
    await expect(page.get_by_label("Attach Files")).to_have_count(0)


async def test_the_bot_joins_a_server_by_the_settings(demo: Demo, visit: Visitor) -> None:
    server = demo.discord.add_server("Book club")
    page = await visit()
    await page.get_by_role("button", name="Book club").click()
    await settings(page)
    await page.get_by_label("Member of Book club").check()
    await save(page)
    await expect(page.locator(".members .member")).to_have_count(4)
    assert demo.discord.has_bot(server.id)
    await expect(page.locator(".hint")).to_contain_text("Mention Phi")
    await write(page, "@Phi hello")
    await expect(page.locator(".message").last).to_contain_text("You said: hello")


async def test_a_custom_status_stands_beside_the_bots_name(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await demo.bot.change_presence(status=discord.Status.idle, activity=discord.CustomActivity("2 questions waiting"))
    await expect(page.locator(".member", has_text="Phi").locator("small")).to_have_text("2 questions waiting")
    await expect(page.locator(".member", has_text="Phi").locator(".status")).to_have_class("status idle")
