"""Models for the suites' short runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models.phi3 import write_tiny_phi3
from tiny_models.wordy import write_model_of_many_lengths, write_wordy_model

from tests.shared_folder import shared_folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that makes thousands of tokens a second."""
    return shared_folder(tmp_path_factory, "tiny-phi3", write_tiny_phi3)


@pytest.fixture(scope="session")
def wordy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose answers take two messages."""
    return shared_folder(tmp_path_factory, "wordy-phi3", write_wordy_model)


@pytest.fixture(scope="session")
def model_of_many_lengths(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose answers end anywhere up to two messages."""
    return shared_folder(
        tmp_path_factory, "phi3-of-many-lengths", lambda folder: write_model_of_many_lengths(folder, tiny_model)
    )
