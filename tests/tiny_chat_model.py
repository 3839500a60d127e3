"""A tiny model with a tokenizer, for tests of everything but the sense of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models.wordy import write_wordy_model

from tests.shared_folder import shared_folder


@pytest.fixture(scope="session")
def tiny_chat_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that loads and answers at once, in words without sense, always as long as allowed."""

    def write(folder: Path) -> None:
        write_wordy_model(folder, word_length=8)

    return shared_folder(tmp_path_factory, "tiny-chat-model", write)
