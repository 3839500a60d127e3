"""Exit codes besides 0 and 1; that of a mistake in the setup is `ConfigurationError.EXIT_CODE`."""

from __future__ import annotations

STOPPED = 130
"""Ctrl-C or SIGTERM before the work was done."""

READER_GONE = 141
"""Nobody reads the output any more: what a shell reports for a program that SIGPIPE ended, as with `| head`."""
