"""Folders with a tokenizer like Phi-3's: an imitation, and the real one if it is beside the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tiny_models.phi3_tokenizer import (
    ADDED_TOKENS,
    TEMPLATE_APRIL_2024,
    TEMPLATE_JUNE_2024,
    phi3_definition,
    write_phi3_tokenizer_files,
)

from bot.prompting.prompt import PromptBuilder

__all__ = ["ADDED_TOKENS", "TEMPLATE_APRIL_2024", "TEMPLATE_JUNE_2024", "phi3_definition"]

REAL_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "phi3-tokenizer"


@dataclass(frozen=True)
class Phi3Tokenizer:
    """A folder with a tokenizer like Phi-3's.

    Attributes:
        folder: with `tokenizer.json` and `tokenizer_config.json`.
        raw: the tokenizer in the `tokenizers` library, which finds control tokens in any text.
        ids: the ids of the added tokens, by text.
    """

    folder: Path
    raw: tokenizers.Tokenizer = field(repr=False)
    ids: Mapping[str, int] = field(repr=False)

    @property
    def builder(self) -> PromptBuilder:
        return PromptBuilder.from_folder(self.folder, {self.ids["<|endoftext|>"]})


def open_phi3_tokenizer(folder: Path) -> Phi3Tokenizer:
    raw = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Phi3Tokenizer(folder, raw, {text: raw.token_to_id(text) for text, *_ in ADDED_TOKENS})


def write_phi3_tokenizer(folder: Path, template: str | None = TEMPLATE_JUNE_2024, **changes: Any) -> Phi3Tokenizer:
    """Do what `write_phi3_tokenizer_files` does, and open the result."""
    write_phi3_tokenizer_files(folder, template, **changes)
    return open_phi3_tokenizer(folder)


def _kinds() -> Sequence[str]:
    return ("made", "real") if REAL_FOLDER.is_dir() else ("made",)


@pytest.fixture(scope="session", params=_kinds())
def phi3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Phi3Tokenizer:
    """The imitated tokenizer, and the real one if it is there."""
    if request.param == "real":
        return open_phi3_tokenizer(REAL_FOLDER)
    return write_phi3_tokenizer(tmp_path_factory.mktemp("phi3"))


@pytest.fixture(scope="session")
def builder(phi3: Phi3Tokenizer) -> PromptBuilder:
    return phi3.builder
