"""Reads from the hub what a repository holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.hf_api import ModelInfo, RepoSibling

from bot.errors import ConfigurationError
from bot.export.hub.refusals import CLIENT_ERRORS, TOKEN_ADVICE, endpoint, not_a_hub, public_endpoint, readable_errors
from bot.model.manifest import is_file_name

ANSWER_SECONDS = 30.0
"""Limit for one answer about a repository."""

_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")

Wanted = Callable[[Collection[str]], Collection[str]]
"""Chooses among the names of all files in the repository's root."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository at a commit.

    Attributes:
        name: in the repository's root.
        sha256: hexadecimal; None for a small file, which git stores itself.
        git_blob: git's id, hexadecimal; of the pointer if the file is in large file storage.
    """

    name: str
    bytes: int
    sha256: str | None
    git_blob: str


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A model on the hub, at one commit.

    Attributes:
        name: as the hub spells it.
        commit: what the revision pointed to, 40 hexadecimal digits.
        license: from the model card.
        files: the wanted ones, sorted by name.
    """

    name: str
    commit: str
    license: str | None
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files)


def ask_hub(name: str, revision: str | None, wanted: Wanted) -> HubRepository:
    """Return what a repository holds, after checking that this account may download it.

    Args:
        name: the repository's hub id.
        revision: a branch, tag or commit; None is the main branch.
        wanted: never sees files in subfolders.

    Raises:
        ConfigurationError: the hub is out of reach or refuses.
    """
    with readable_errors(name, revision):
        repository = _read(_ask(name, revision), wanted)
        if repository.files:
            _require_access(repository)
    return repository


def _ask(name: str, revision: str | None) -> ModelInfo:
    api = HfApi(endpoint=endpoint())
    try:
        return api.model_info(name, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS)
    except CLIENT_ERRORS:
        raise
    except UnicodeEncodeError as error:  # in a header; people write only the token
        raise ConfigurationError(f"your token holds a character that no token has; {TOKEN_ADVICE}") from error
    except (KeyError, TypeError, ValueError) as error:  # not JSON, or not a repository's
        raise ConfigurationError(not_a_hub()) from error


def _read(info: ModelInfo, wanted: Wanted) -> HubRepository:
    if info.sha is None or not _COMMIT.fullmatch(info.sha) or not _NAME.fullmatch(info.id):
        raise ConfigurationError(not_a_hub())
    in_root = {each.rfilename: each for each in info.siblings or () if is_file_name(each.rfilename)}
    files = tuple(_read_file(in_root[name]) for name in sorted(wanted(list(in_root))))
    return HubRepository(info.id, info.sha, _license(info), files)


def _read_file(sibling: RepoSibling) -> HubFile:
    if sibling.size is None or sibling.blob_id is None:
        raise ConfigurationError(
            f"the hub at {public_endpoint()} does not list sizes and checksums, without which no download can be "
            "verified; unset HF_ENDPOINT or choose another mirror"
        )
    return HubFile(sibling.rfilename, sibling.size, sibling.lfs.sha256 if sibling.lfs else None, sibling.blob_id)


def _license(info: ModelInfo) -> str | None:
    if info.card_data is None:
        return None
    # A custom license is called "other", with its name in a field of its own.
    name = info.card_data.get("license_name") or info.card_data.get("license")
    return None if name is None else str(name)


def _require_access(repository: HubRepository) -> None:
    """Request one file: the hub lists a gated repository for everybody, but does not give out its files."""
    url = hf_hub_url(repository.name, repository.files[0].name, revision=repository.commit, endpoint=endpoint())
    get_hf_file_metadata(url, timeout=ANSWER_SECONDS)
