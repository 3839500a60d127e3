"""Asks the installed exporter whether it can export a model, before the model is downloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bot.errors import ConfigurationError
from bot.export.child_process import ChildError, run_child


def require_exportable(name: str, config: bytes) -> None:
    """Refuse before the download a model that the exporter would refuse after it.

    Args:
        name: of the checkpoint, for the error line.
        config: the content of its `config.json`.

    Raises:
        ConfigurationError: the exporter or transformers, in their installed versions, cannot read such a model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_bytes(config)
        try:
            # In a child, because the exporter's packages import torch, which would stay in memory.
            run_child("bot.export.exporter_support_child", [str(path)], log=Path(folder) / "log")
        except ChildError as error:
            raise ConfigurationError(
                f"{name} cannot be exported: {error}; choose another model (docs/models.md lists what works), or fetch "
                "one that is already exported: --prebuilt ID"
            ) from error
