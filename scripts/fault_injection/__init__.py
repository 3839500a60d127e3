"""Loses the engine process on purpose, again and again, and checks that nobody who asks it something notices."""
