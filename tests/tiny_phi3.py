"""The tiny Phi-3, where the engine's tests look for it."""

from __future__ import annotations

from tiny_models.phi3 import VOCABULARY, write_tiny_phi3

__all__ = ["VOCABULARY", "write_tiny_phi3"]
