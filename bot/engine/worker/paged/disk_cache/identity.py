"""Identifies what a stored block's content depends on besides its tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import openvino

from bot.engine.interface import EngineOptions
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.model.manifest import read_manifest

_MODEL_FILES = ("openvino_model.xml", "openvino_model.bin")
_REVISION = 1
"""Changes with our own changes to the model's graph or to the files."""


def cache_identity(options: EngineOptions, device_name: str, precision: str, layout: Sequence[str]) -> str:
    """Return a name for a cache: two engines share blocks only if it is the same.

    Without a manifest this reads the whole model, which takes seconds.

    Args:
        options: with the folder of the draft model that was loaded, if any.
        device_name: the device's full name; another processor rounds differently.
        precision: of inference, as the device reports it.
        layout: see `CacheMemory.layout`.

    Raises:
        OSError: the model's files cannot be read.
        ValueError: its manifest is damaged.
    """
    facts = [
        str(_REVISION),
        str(BLOCK_TOKENS),
        openvino.__version__,
        options.device,
        device_name,
        precision,
        *(f"{name}={value}" for name, value in sorted(options.properties.items())),
        *layout,
        *_checksums(options.model_dir),
    ]
    if options.draft_model_dir is not None:
        facts += _checksums(options.draft_model_dir)
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()


def _checksums(model_dir: Path) -> list[str]:
    manifest = read_manifest(model_dir)
    if manifest is not None and all(name in manifest.files for name in _MODEL_FILES):
        return [manifest.files[name].sha256 for name in _MODEL_FILES]
    checksums = []
    for name in _MODEL_FILES:
        with (model_dir / name).open("rb") as file:
            checksums.append(hashlib.file_digest(file, "sha256").hexdigest())
    return checksums
