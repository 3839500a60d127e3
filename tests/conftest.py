"""What tests of several packages share: the tokenizers and the small real model."""

from __future__ import annotations

from tests.phi3_tokenizer import builder, phi3
from tests.small_model import small_model_dir

__all__ = ["builder", "phi3", "small_model_dir"]
