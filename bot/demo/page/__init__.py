"""A page that looks and feels like Discord, to try the bot without an account."""

from bot.demo.page.server import DemoPage

__all__ = ["DemoPage"]
