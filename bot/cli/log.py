"""Where the log goes and how its lines look."""

from __future__ import annotations

import logging
import sys


def configure_log(level: str) -> None:
    """Log to stderr from this level on."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # At INFO it lists its own plug-ins.
    logging.getLogger("alembic").setLevel(logging.WARNING)
