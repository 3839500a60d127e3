"""Examines the setup and says what is wrong with it, and the way out, without changing anything."""
