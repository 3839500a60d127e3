"""Fixtures that tests of several packages share: the tokenizers and the models."""

from __future__ import annotations

from tests.phi3_tokenizer import builder, phi3
from tests.small_model import small_model_dir
from tests.tiny_chat_model import chat_model_dir

__all__ = ["builder", "chat_model_dir", "phi3", "small_model_dir"]
