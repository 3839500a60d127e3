"""The small real model for tests that need sense. `make setup` downloads it; no test does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.small_model import DEFAULT_FOLDER
from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder

FOLDER = Path(__file__).resolve().parent.parent / DEFAULT_FOLDER


@pytest.fixture(scope="session")
def small_model_dir() -> Path:
    """The folder of SmolLM2-135M-Instruct; the test fails without it."""
    try:
        return open_model_folder(FOLDER).path
    except ConfigurationError as error:
        pytest.fail(
            f"no small model at {FOLDER}; download it with python scripts/fetch_small_model.py ({error})",
            pytrace=False,
        )
