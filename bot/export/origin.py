"""Where a model comes from: a folder of this machine, or a repository of the hub that is fetched first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.errors import ConfigurationError
from bot.export.checkpoint import Checkpoint, bytes_per_parameter, read_checkpoint, read_config
from bot.export.hub import (
    HubRepository,
    ask_hub,
    bytes_to_fetch,
    fetch_files,
    read_small_file,
    wanted_for_export,
    wanted_of_prebuilt,
)
from bot.export.progress import Estimate, ProgressLine, size
from bot.model.source import ModelSource

SOURCES_NAME = "sources"
_WEIGHTS = (".safetensors", ".bin")
_GRAPH = "openvino_model.xml"


@dataclass(frozen=True, slots=True)
class Origin:
    """A model, before anything is done with it.

    Attributes:
        source: what is written into the new model folder about it.
        folder: where its files are, or will be once they are fetched.
        repository: where they are fetched from; None for a folder of this machine.
    """

    source: ModelSource
    folder: Path
    repository: HubRepository | None = None

    @property
    def download(self) -> int:
        """The bytes that have to be fetched."""
        return 0 if self.repository is None else bytes_to_fetch(self.repository, self.folder)

    def fetch(self, progress: ProgressLine) -> None:
        """Have every file in `folder`. What an earlier try fetched is kept and gone on from.

        Raises:
            ConfigurationError: it cannot be fetched.
        """
        if self.repository is None:
            return
        estimate = Estimate()
        name = self.repository.name
        progress.stage(f"Fetching {name}: {size(self.download)} to go")

        def show(done: int, total: int) -> None:
            left = estimate.left(done / max(total, 1))
            progress.update(f"Fetching {name}: {size(done)} of {size(total)}{left}")

        fetch_files(self.repository, self.folder, show)


def checkpoint_origin(
    model: str, revision: str | None, home: Path, *, trust_remote_code: bool
) -> tuple[Origin, Checkpoint]:
    """Look at what shall be exported.

    Args:
        model: a folder, or a hub id.
        revision: of the hub's repository.
        home: the folder with versions; what is fetched goes below it.
        trust_remote_code: fetch the repository's Python code, too.

    Raises:
        ConfigurationError: there is no such model.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ConfigurationError(f"--revision is for models on the hub, and {model} is a folder; leave it out")
        if folder.resolve() == home.resolve():
            raise ConfigurationError(f"--output {home} is the model's own folder; name another one")
        return Origin(ModelSource(name=folder.resolve().name, source=model), folder), read_checkpoint(folder)
    repository = ask_hub(_hub_id(model), revision, partial(wanted_for_export, trust_remote_code=trust_remote_code))
    weights = sum(each.bytes for each in repository.files if each.name.endswith(_WEIGHTS))
    if not weights or not any(each.name == "config.json" for each in repository.files):
        raise ConfigurationError(
            f"{repository.name} holds no checkpoint (config.json and *.safetensors); choose another repository, or "
            f"--prebuilt {repository.name} if it was exported for OpenVINO"
        )
    config = read_config(read_small_file(repository, "config.json"), repository.name)
    return _of_repository(repository, home), Checkpoint(
        repository.name, config, weights, weights // bytes_per_parameter(config)
    )


def prebuilt_origin(name: str, revision: str | None, home: Path) -> Origin:
    """Look at a model that was exported already.

    Raises:
        ConfigurationError: there is no such model.
    """
    repository = ask_hub(_hub_id(name), revision, wanted_of_prebuilt)
    if not any(each.name == _GRAPH for each in repository.files):
        raise ConfigurationError(
            f"{repository.name} is not exported for OpenVINO (it has no {_GRAPH}); export it yourself: "
            f"--model {repository.name}"
        )
    return _of_repository(repository, home)


def _of_repository(repository: HubRepository, home: Path) -> Origin:
    source = ModelSource(
        name=repository.name.split("/")[-1],
        source=repository.name,
        revision=repository.commit,
        license=repository.license,
    )
    folder = home / SOURCES_NAME / f"{repository.name.replace('/', '--')}@{repository.commit[:12]}"
    return Origin(source, folder, repository)


def _hub_id(model: str) -> str:
    """Refuse what is meant as a path: the hub would only say that there is no such repository."""
    if model.startswith((".", "/", "~")) or "\\" in model or model.count("/") > 1:
        raise ConfigurationError(f"there is no folder {model}; name a model's folder, or a hub id such as OWNER/NAME")
    return model
