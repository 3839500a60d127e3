"""Keeps cache blocks in files, so that they outlast eviction and the process."""
