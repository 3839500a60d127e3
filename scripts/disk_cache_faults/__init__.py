"""Kills the engine while it writes its disk cache, damages the files, and checks every answer."""
