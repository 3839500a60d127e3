"""Asks the hub what a repository holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import PurePath

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.hf_api import ModelInfo, RepoSibling

from bot.errors import ConfigurationError
from bot.export.hub.refusals import CLIENT_ERRORS, TOKEN_ADVICE, endpoint, explained, no_hub, place

ANSWER_SECONDS = 30.0
"""How long the hub may take to answer a question."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

Wanted = Callable[[Collection[str]], Collection[str]]
"""Chooses files by their names, of which it gets all in the repository's root."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository at a commit.

    Attributes:
        name: of the file; it lies in the repository's root.
        bytes: its size.
        sha256: of its content, in hexadecimal digits; None for a small file, which is not in git's large file storage.
        git_blob: its id in git, in hexadecimal digits; a large file's is that of its pointer.
    """

    name: str
    bytes: int
    sha256: str | None
    git_blob: str


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A model on the hub, as it was when it was asked for.

    Attributes:
        name: as the hub writes it, such as "microsoft/Phi-3-mini-4k-instruct".
        commit: what the revision stood for, 40 hexadecimal digits.
        license: from the model card; None if it names none.
        files: those that are wanted, by name.
    """

    name: str
    commit: str
    license: str | None
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        """All files together."""
        return sum(file.bytes for file in self.files)


def ask_hub(name: str, revision: str | None, wanted: Wanted) -> HubRepository:
    """Find out what there is to fetch, and that the hub would give it.

    Args:
        name: the repository's hub id.
        revision: a branch, tag or commit; None is the main branch.
        wanted: chooses the files. Files in subfolders are never offered to it.

    Raises:
        ConfigurationError: the hub cannot be reached or does not give this, for the reason that the line names.
    """
    with explained(name, revision):
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
    except UnicodeEncodeError as error:  # of a header; the only one that a person writes is the token
        raise ConfigurationError(f"your token holds a character that no token has; {TOKEN_ADVICE}") from error
    except (KeyError, TypeError, ValueError) as error:  # the answer is no JSON, or another one
        raise ConfigurationError(no_hub()) from error


def _read(info: ModelInfo, wanted: Wanted) -> HubRepository:
    if info.sha is None or not _COMMIT.fullmatch(info.sha):
        raise ConfigurationError(no_hub())
    in_root = {each.rfilename: each for each in info.siblings or () if PurePath(each.rfilename).name == each.rfilename}
    files = tuple(_read_file(in_root[name]) for name in sorted(wanted(list(in_root))))
    return HubRepository(info.id, info.sha, _license(info), files)


def _read_file(sibling: RepoSibling) -> HubFile:
    if sibling.size is None or sibling.blob_id is None:
        raise ConfigurationError(
            f"the hub at {place()} does not tell the sizes and checksums of files, without which nothing is fetched; "
            "unset HF_ENDPOINT or choose another mirror"
        )
    return HubFile(sibling.rfilename, sibling.size, sibling.lfs.sha256 if sibling.lfs else None, sibling.blob_id)


def _license(info: ModelInfo) -> str | None:
    if info.card_data is None:
        return None
    # A license of its own is called "other", with its name beside it.
    name = info.card_data.get("license_name") or info.card_data.get("license")
    return None if name is None else str(name)


def _require_access(repository: HubRepository) -> None:
    """Ask for one file: the hub shows a gated repository's list to everybody, but not its files."""
    url = hf_hub_url(repository.name, repository.files[0].name, revision=repository.commit, endpoint=endpoint())
    get_hf_file_metadata(url, timeout=ANSWER_SECONDS)
