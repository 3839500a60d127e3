"""The memory that answers are tested with."""

from __future__ import annotations

from tests.conversation.conftest import conversations, memory

__all__ = ["conversations", "memory"]
