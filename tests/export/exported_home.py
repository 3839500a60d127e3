"""One real export in the sample's recipe, shared by all test processes, and copies of it that a test may change."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from bot.export.options import PREBUILT
from bot.export.top_level_links import link_at_top_level
from bot.model.versions import POINTER_NAME, VERSIONS_NAME, ModelVersions
from tests.export.export_process import Done, export
from tests.export.hub_server import HubServer
from tests.export.phi3_checkpoint import write_phi3_checkpoint
from tests.phi3_tokenizer import Phi3Tokenizer, open_phi3_tokenizer
from tests.shared_folder import shared_folder


@dataclass(frozen=True)
class Exported:
    """An export and its result.

    Attributes:
        checkpoint: its source.
        tokenizer: the checkpoint's.
        home: the folder with versions; it has one.
        done: what the admin read.
    """

    checkpoint: Path
    tokenizer: Phi3Tokenizer
    home: Path
    done: Done

    @property
    def version(self) -> str:
        """The version's name."""
        [name] = ModelVersions(self.home).names
        return name

    @property
    def model(self) -> Path:
        """The version's folder."""
        return ModelVersions(self.home).folder(self.version)

    def copy(self, home: Path, *more: str) -> ModelVersions:
        """Copy the version, also under more names, and switch to each in turn."""
        versions = ModelVersions(home)
        for name in (self.version, *more):
            shutil.copytree(self.model, home / VERSIONS_NAME / name)
            versions.switch(name)
        link_at_top_level(versions, (self.version, *more)[-1], pytest.fail)
        assert (home / POINTER_NAME).is_file()
        return versions


def publish_exported(hub: HubServer, exported: Exported, graph: bytes | None = None) -> str:
    """Publish the exported model's folder on a hub, optionally with another graph; return the commit."""
    files = {each.name: each.read_bytes() for each in exported.model.iterdir()}
    if graph is not None:
        files["openvino_model.xml"] = graph
    return hub.publish(PREBUILT, files)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A tiny Phi-3 in the sample's recipe, exported as an admin would, with no flags but the folders."""
    checkpoint = shared_folder(tmp_path_factory, "phi3_checkpoint", write_phi3_checkpoint)

    def fill(folder: Path) -> None:
        done = export("--model", checkpoint, "--output", folder / "int4")
        assert done.code == 0, done.err
        (folder / "done.json").write_text(json.dumps(asdict(done)), encoding="utf-8")

    folder = shared_folder(tmp_path_factory, "phi3_export", fill)
    done = Done(**json.loads((folder / "done.json").read_text(encoding="utf-8")))
    return Exported(checkpoint, open_phi3_tokenizer(checkpoint), folder / "int4", done)
