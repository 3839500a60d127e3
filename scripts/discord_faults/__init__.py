"""Strikes a bot in its own process with Discord's refusals and breaks, and checks that nobody is forgotten."""
