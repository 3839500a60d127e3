"""Publishing a version takes many changes to the disk; a kill after any of them leaves a complete current version."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.export.top_level_links import adopt_top_level_model, link_at_top_level
from bot.export.workspace import open_workspace
from bot.model.folder import open_model_folder
from bot.model.manifest import read_manifest, wrong_files
from bot.model.versions import ModelVersions
from tests.export.exported_home import Exported

NEW = "2999-01-01-000000-sample"


class _KillError(BaseException):
    """Ends a publication. Nothing after it changes a file, not even a `finally`: as after a `kill -9`."""


class _KilledAfter:
    """Counts changes to the disk, and refuses every further one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
        self.left = changes
        for name in ("rename", "replace", "link", "unlink", "rmdir", "fsync"):
            monkeypatch.setattr(os, name, self._limited(getattr(os, name)))

    def _limited(self, change: Any) -> Any:
        def limited(*arguments: Any, **options: Any) -> Any:
            if self.left == 0:
                raise _KillError
            self.left -= 1
            return change(*arguments, **options)

        return limited


def publish(exported: Exported, home: Path) -> None:
    with open_workspace(home, lambda line: None) as workspace:
        shutil.copytree(exported.model, workspace.model)
        workspace.publish(NEW)
        versions = workspace.versions
        versions.switch(NEW, adopted=adopt_top_level_model(versions))
        link_at_top_level(versions, NEW, pytest.fail)


def is_published(exported: Exported, home: Path, changes: int) -> bool:
    """Publish with at most that many changes to the disk; return whether that is enough."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _KilledAfter(monkeypatch, changes)
        try:
            publish(exported, home)
        except _KillError:
            return False
    return True


def test_a_kill_after_any_change_leaves_a_complete_current_version(exported: Exported, tmp_path: Path) -> None:
    seen: list[str] = []
    for changes in range(1000):
        home = tmp_path / str(changes)
        exported.copy(home)
        published = is_published(exported, home, changes)
        model = open_model_folder(home)
        manifest = read_manifest(model.path)
        assert manifest is not None
        assert wrong_files(model.path, manifest) == []
        assert model.version is not None
        seen.append(model.version)
        if published:
            break
        assert set(ModelVersions(home).names) <= {exported.version, NEW}
        graph = home / "openvino_model.xml"
        assert not graph.exists() or (home / "openvino_model.bin").exists(), "no graph without its weights"
    assert len(seen) > 40
    assert seen == sorted(seen), "the switch happens once"
    assert set(seen) == {exported.version, NEW}
