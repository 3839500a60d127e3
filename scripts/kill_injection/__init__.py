"""Kills the whole bot on purpose, again and again, and checks that everybody who asks it something is answered once."""
