"""Finds a model in a local folder or on the hub, and fetches it."""

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
from bot.export.progress import Estimate, ProgressLine
from bot.export.workspace import SOURCES_NAME
from bot.model.source import ModelSource
from bot.sizes import size

_WEIGHTS = (".safetensors", ".bin")
_GRAPH = "openvino_model.xml"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from.

    Attributes:
        source: what the new model folder records about it.
        folder: where its files are, or will be after `fetch`.
        repository: on the hub; None for a local folder.
    """

    source: ModelSource
    folder: Path
    repository: HubRepository | None = None

    @property
    def download(self) -> int:
        """Bytes that `fetch` still has to download."""
        return 0 if self.repository is None else bytes_to_fetch(self.repository, self.folder)

    def fetch(self, progress: ProgressLine) -> None:
        """Download what `folder` lacks, resuming an earlier download.

        Raises:
            ConfigurationError: a file cannot be downloaded or written.
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
    """Find a checkpoint.

    Args:
        model: a folder, or a hub id.
        home: the folder with versions; downloads go below it.
        trust_remote_code: download the repository's Python code too.

    Raises:
        ConfigurationError: there is no such checkpoint.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ConfigurationError(
                f"--revision applies only to models on the hub, and {model} is a folder; leave it out"
            )
        if folder.resolve() == home.resolve():
            raise ConfigurationError(f"--output {home} is the model's own folder; choose another")
        return Origin(ModelSource(name=folder.resolve().name, source=model), folder), read_checkpoint(folder)
    repository = ask_hub(_hub_id(model), revision, partial(wanted_for_export, trust_remote_code=trust_remote_code))
    weights = sum(each.bytes for each in repository.files if each.name.endswith(_WEIGHTS))
    if not weights or not any(each.name == "config.json" for each in repository.files):
        raise ConfigurationError(
            f"{repository.name} has no checkpoint (config.json and *.safetensors); choose another repository, or "
            f"--prebuilt {repository.name} if it was exported for OpenVINO"
        )
    content = read_small_file(repository, "config.json")
    config = read_config(content, repository.name)
    return _of_repository(repository, home), Checkpoint(
        repository.name, config, weights, weights // bytes_per_parameter(config), content
    )


def prebuilt_origin(name: str, revision: str | None, home: Path) -> Origin:
    """Find an exported model on the hub.

    Raises:
        ConfigurationError: there is no such model.
    """
    repository = ask_hub(_hub_id(name), revision, wanted_of_prebuilt)
    if not any(each.name == _GRAPH for each in repository.files):
        raise ConfigurationError(
            f"{repository.name} is not exported for OpenVINO (it has no {_GRAPH}); export it: --model {repository.name}"
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
    """Refuse a mistyped path, for which the hub would only report a missing repository."""
    if model.startswith((".", "/", "~")) or "\\" in model or model.count("/") > 1:
        raise ConfigurationError(f"there is no folder {model}; name a model's folder, or a hub id such as OWNER/NAME")
    return model
