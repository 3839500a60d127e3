"""Fixtures: the shared export, and a hub on 127.0.0.1 that this process and its children use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from bot.export.hub import HubRepository, ask_hub, download
from tests.export.exported_home import exported
from tests.export.hub_downloads import FILES, NAME
from tests.export.hub_server import HubServer, running_hub

__all__ = ["exported", "hub"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """An empty hub. The client has no token and an empty cache."""
    home = tmp_path / "hugging_face_home"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # The client read its settings at import.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    close_session()
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
    close_session()


@pytest.fixture
def repository(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubRepository:
    """A published repository. Failed requests are retried three times without back-off."""
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0.0, 0.0, 0.0))
    hub.publish(NAME, FILES)
    return ask_hub(NAME, None, set)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A download folder that does not exist yet."""
    return tmp_path / "downloads" / "model"
