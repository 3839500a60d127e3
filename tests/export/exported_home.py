"""One real export in the sample's recipe, and copies of it that a test may do with what it likes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.export.options import PREBUILT
from bot.export.top_level_links import link_at_top_level
from bot.model.versions import POINTER_NAME, VERSIONS_NAME, ModelVersions
from tests.export.export_process import Done, export
from tests.export.hub_server import HubServer
from tests.export.phi3_checkpoint import write_phi3_checkpoint
from tests.phi3_tokenizer import Phi3Tokenizer


@dataclass(frozen=True)
class Exported:
    """What came of it.

    Attributes:
        checkpoint: what was exported.
        tokenizer: the checkpoint's.
        home: the folder with versions, of which there is one.
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
        """Copy the versions, and make more of the same; the last one answers, each before it did earlier."""
        versions = ModelVersions(home)
        for name in (self.version, *more):
            shutil.copytree(self.model, home / VERSIONS_NAME / name)
            versions.switch(name)
        link_at_top_level(versions, (self.version, *more)[-1], pytest.fail)
        assert (home / POINTER_NAME).is_file()
        return versions


def publish_exported(hub: HubServer, exported: Exported, graph: bytes | None = None) -> str:
    """Put the exported model's folder on a hub, as it is or with another graph; return the commit."""
    files = {each.name: each.read_bytes() for each in exported.model.iterdir()}
    if graph is not None:
        files["openvino_model.xml"] = graph
    return hub.publish(PREBUILT, files)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A tiny Phi-3 in the sample's recipe, made by the script as it is run without any flags but the folders."""
    checkpoint = tmp_path_factory.mktemp("checkpoint")
    tokenizer = write_phi3_checkpoint(checkpoint)
    home = tmp_path_factory.mktemp("exported") / "int4"
    done = export("--model", checkpoint, "--output", home)
    assert done.code == 0, done.err
    return Exported(checkpoint, tokenizer, home, done)
