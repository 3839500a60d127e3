"""An engine without drafts to compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.worker.paged.drafts.same_text import Plain


@pytest.fixture(scope="session")
def plain(tiny_model: Path) -> Plain:
    """What the tiny model answers without drafts."""
    return Plain(tiny_model)
