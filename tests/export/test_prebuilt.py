"""An exported model, fetched from a hub on this machine as an admin does it."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.export.options import PREBUILT
from bot.model.device_properties import FILE_NAME
from bot.model.folder import open_model_folder
from bot.model.versions import ModelVersions
from bot.settings import Settings
from tests.export.export_process import ROOT, ExportProcess, export
from tests.export.exported_home import Exported, publish_exported
from tests.export.hub_downloads import asked
from tests.export.hub_server import HubServer
from tests.export.hub_storage import Fault, Request
from tests.model.exported_folder import write_model

NAME = PREBUILT
WEIGHTS = "openvino_model.bin"
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@pytest.fixture
def published(hub: HubServer, exported: Exported) -> str:
    """The commit of a repository with the exported model, as the exporter alone leaves it."""
    return publish_exported(hub, exported)


def sent(hub: HubServer, name: str) -> int:
    return sum(request.sent for request in asked(hub, name))


def test_it_is_fetched_judged_and_current(hub: HubServer, published: str, exported: Exported, tmp_path: Path) -> None:
    home = tmp_path / "int4"
    hub.fail(WEIGHTS, Fault(after=100_000, resets=True))
    done = export("--prebuilt", "--output", home)
    assert done.code == 0, done.err
    assert re.search(rf"^Plan: fetch {NAME} as it was exported$", done.err, re.MULTILINE)
    assert re.search(r"^Disk: about .* MB \(.* MB download\)", done.err, re.MULTILINE)
    assert re.search(r"^Fetching OpenVINO/.*: .* MB to go$", done.err, re.MULTILINE)
    size = (exported.model / WEIGHTS).stat().st_size
    assert len(asked(hub, WEIGHTS)) == 2, "the broken connection is resumed"
    assert asked(hub, WEIGHTS)[1].start > 0
    assert sent(hub, WEIGHTS) <= size + 100_000
    model = open_model_folder(home)
    assert model.version is not None
    assert model.version.endswith("-prebuilt")
    assert (model.source, model.revision, model.license) == (NAME, published, "mit")
    assert model.report is not None
    assert model.report.quality is not None
    assert (model.report.quality.agreement, model.report.quality.source_perplexity) == (None, None)
    assert not (home / "sources").exists(), "the version holds its files"
    assert (home / WEIGHTS).samefile(model.path / WEIGHTS)


@pytest.mark.long
def test_another_machines_properties_are_not_taken(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    files = {each.name: each.read_bytes() for each in exported.model.iterdir()}
    hub.publish(NAME, {**files, FILE_NAME: b'{"CPU": {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "64"}}'})
    done = export("--prebuilt", "--output", tmp_path / "home", "--no-quality")
    assert done.code == 0, done.err
    assert open_model_folder(tmp_path / "home").device_properties == {}


def test_a_kill_in_the_download_costs_no_byte(
    hub: HubServer, published: str, exported: Exported, tmp_path: Path
) -> None:
    home = tmp_path / "int4"
    hub.fail(WEIGHTS, Fault(pause_seconds=0.2))
    process = ExportProcess(home, "--prebuilt", NAME, "--output", home)
    process.wait_for("Fetching")
    wait_until_sent(hub, 100_000)
    process.kill()
    assert ModelVersions(home).pointer is None
    resumed = ExportProcess(home, "--prebuilt", NAME, "--output", home)
    resumed.wait_for("Checking the tokenizers")
    resumed.kill()
    second = asked(hub, WEIGHTS)[-1]
    size = (exported.model / WEIGHTS).stat().st_size
    assert second == Request(WEIGHTS, second.start, size - second.start)
    assert second.start > 50_000


def wait_until_sent(hub: HubServer, count: int) -> None:
    end = time.monotonic() + 60
    while sent(hub, WEIGHTS) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_repository_that_is_not_exported_is_refused(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    files = {each.name: each.read_bytes() for each in exported.checkpoint.iterdir()}
    hub.publish("microsoft/Phi-3-mini-4k-instruct", files)
    done = export("--prebuilt", "microsoft/Phi-3-mini-4k-instruct", "--output", tmp_path / "home")
    assert done.code == 2
    assert "is not exported for OpenVINO (it has no openvino_model.xml); export it: --model" in done.last_line
    done = export("--output", tmp_path / "home", "--dry-run")
    assert done.code == 0, done.err
    assert "0.9 MB download" in done.err


def test_an_exported_repository_is_not_a_checkpoint(hub: HubServer, published: str, tmp_path: Path) -> None:
    done = export("--model", NAME, "--output", tmp_path / "home")
    assert done.code == 2
    assert f"{NAME} has no checkpoint" in done.last_line
    assert f"--prebuilt {NAME} if it was exported for OpenVINO" in done.last_line


def test_a_model_that_does_not_answer_is_refused(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    versions = exported.copy(tmp_path / "home")
    before = versions.pointer
    graph = (exported.model / "openvino_model.xml").read_bytes()
    publish_exported(hub, exported, re.sub(rb'type="ScaledDotProductAttention"', b'type="Relu"', graph))
    done = export("--prebuilt", "--output", versions.home)
    assert done.code == 2, done.err
    assert done.last_line.startswith("error: ")
    assert (versions.pointer, versions.names) == (before, [exported.version])


def test_a_checkpoint_of_the_hub_becomes_a_version_that_is_not_current(
    hub: HubServer, exported: Exported, tmp_path: Path
) -> None:
    files = {each.name: each.read_bytes() for each in exported.checkpoint.iterdir()}
    commit = hub.publish("ada/tiny-phi", files)
    hub.publish("ada/tiny-phi", {**files, "README.md": b"newer"})
    versions = exported.copy(tmp_path / "home")
    home, before = versions.home, versions.pointer
    source = ("--model", "ada/tiny-phi", "--revision", commit, "--output", home)
    done = export(*source, "--recipe", "fp16", "--no-switch", "--no-quality", TMPDIR=str(tmp_path))
    assert done.code == 0, done.err
    _, new = versions.names
    [kept] = (home / "sources").iterdir()
    ready, checkpoint_stays = done.err.splitlines()[-2:]
    assert ready.startswith(f"{new} is ready (")
    assert checkpoint_stays == f"The checkpoint stays in {kept} for other recipes; --prune removes it."
    assert json.loads((kept / "config.json").read_text(encoding="utf-8"))["model_type"] == "phi3"
    model = open_model_folder(versions.folder(new))
    assert (model.name, model.source, model.revision) == ("tiny-phi", "ada/tiny-phi", commit)
    assert (model.weight_format, model.recipe) == ("fp16", "fp16, uncompressed")
    assert model.report is not None
    assert model.report.quality is None
    assert versions.pointer == before
    assert export("--output", home, "--rollback", new).code == 0
    assert open_model_folder(home).version == new
    assert ModelVersions(home).previous == exported.version
    hub.requests.clear()
    assert export(*source, "--dry-run").code == 0
    assert asked(hub, "model.safetensors") == []


def offer(folder: Path, *, answer: str) -> str:
    """Run the bot on a terminal, answer the offer, and return the screen. The bot ends at its database."""
    ours, theirs = pty.openpty()
    unset = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run"],
        cwd=folder,
        env={**environment, "DISCORD_TOKEN": TOKEN, "DATABASE_URL": "mysql://host/none", "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        screen = b""
        while piece := _read(ours):
            screen += piece
            if screen.endswith(b"or the folder of a model] "):
                os.write(ours, answer.encode())
    os.close(ours)
    return screen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side was closed
        return b""


def test_the_first_start_offers_a_model_if_there_is_none(hub: HubServer, published: str, tmp_path: Path) -> None:
    assert "error: there is no model folder at " in offer(tmp_path, answer="n\n")
    assert not (tmp_path / "model").exists()
    hub.fail(WEIGHTS, Fault(status=403))
    screen = offer(tmp_path, answer="\n")
    assert "error: the hub at" in screen, "it tries to download the model"
    assert screen.count("error: ") == 1, "the bot is not started"
    write_model(tmp_path / "model" / "phi3-instruct" / "int4")
    assert "Download it?" not in offer(tmp_path, answer="n\n"), "there is one now"


@pytest.mark.long
def test_the_first_start_downloads_the_model_that_it_offers(hub: HubServer, published: str, tmp_path: Path) -> None:
    screen = offer(tmp_path, answer="\n")
    assert "is the current version" in screen
    assert re.search(r"Fetching OpenVINO/.*MB to go\r\n", screen) or "\rFetching OpenVINO/" in screen
    assert open_model_folder(tmp_path / "model" / "phi3-instruct" / "int4").source == NAME
    assert "DATABASE_URL" in screen.splitlines()[-1], "the bot was started"
    assert "Download it?" not in offer(tmp_path, answer="n\n"), "there is one now"
    shutil.rmtree(tmp_path / "model")
