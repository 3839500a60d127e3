"""Where the log goes, how its lines look, and what they never show."""

from __future__ import annotations

import logging
import re
import sys

_HIDDEN = "[hidden]"
_SECRETS = (
    # Whoever has an interaction's token can answer in the bot's name for 15 minutes.
    re.compile(r"(?<=/interactions/)(\d+/)[^/\s'\"?]+"),
    re.compile(r"(?<=/webhooks/)(\d+/)[^/\s'\"?]+"),
    # A file's name is its author's, and whoever has the signed address can read the file.
    re.compile(r"(?<=/attachments/)(\d+/\d+/)[^\s'\"]+"),
    re.compile(r"()\b[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}"),  # a bot's token
    # PostgreSQL shows the row that it refuses: https://www.postgresql.org/docs/current/errcodes-appendix.html
    re.compile(r"(Failing row contains ).*?(?=\n\[SQL: |\n\nThe above exc|\n\nDuring hand|\Z)", re.DOTALL),
)


class RedactingFormatter(logging.Formatter):
    """Formats a record with its traceback, without tokens, signed addresses and rows."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        text = super().format(record)
        for secret in _SECRETS:
            text = secret.sub(rf"\1{_HIDDEN}", text)
        return text


def configure_log(level: str) -> None:
    """Log to stderr from this level on. Libraries never log below INFO: there they show messages, personas and tokens.

    Args:
        level: for the bot's own lines.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    own = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=max(own, logging.INFO), handlers=[handler])
    logging.getLogger("bot").setLevel(own)
    # At INFO it lists its own plug-ins.
    logging.getLogger("alembic").setLevel(logging.WARNING)
