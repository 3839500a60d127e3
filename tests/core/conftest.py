"""The tokenizers and the model that the core is tested with."""

from __future__ import annotations

from tests.phi3_tokenizer import builder, phi3
from tests.small_model import small_model_dir

__all__ = ["builder", "phi3", "small_model_dir"]
