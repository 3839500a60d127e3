"""Kills the whole bot again and again, and checks that every question is answered exactly once."""
