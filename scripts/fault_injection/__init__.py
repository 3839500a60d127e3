"""Strikes the engine process with faults again and again, and checks every answer."""
