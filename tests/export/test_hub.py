"""Asking the hub about a repository, and the one line for every kind of refusal."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import constants

from bot.errors import ConfigurationError
from bot.export.hub import HubFile, HubRepository, ask_hub, read_small_file, wanted_for_export, wanted_of_prebuilt
from tests.export.hub_downloads import ROOT
from tests.export.hub_server import HubServer
from tests.export.hub_storage import API, Fault

NAME = "microsoft/Phi-3-mini-4k-instruct"
POINTER = "5dba7043330011fd0ad7719691f9bf4ef99f25c7"  # the git id of its pointer
FILES = {"config.json": b'{"model_type": "phi3"}', "model.safetensors": bytes(50_000), "README.md": b"hello"}


WITHOUT_SIZES = b'{"id": "a", "sha": "%s", "siblings": [{"rfilename": "config.json"}]}' % (b"0" * 40)


def everything(names: Collection[str]) -> set[str]:
    """Choose all files."""
    return set(names)


def error_line(name: str = NAME, revision: str | None = None) -> str:
    """The one line of the error that asking raises."""
    with pytest.raises(ConfigurationError) as raised:
        ask_hub(name, revision, everything)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_repository_is_described(hub: HubServer) -> None:
    commit = hub.publish(NAME, FILES)
    repository = ask_hub(NAME, None, wanted_for_export)
    assert repository == HubRepository(
        name=NAME,
        commit=commit,
        license="mit",
        files=(
            HubFile("config.json", 22, None, "d819ed66b72ceff70f6c646e22edfa1065d6e399"),
            HubFile("model.safetensors", 50_000, hashlib.sha256(bytes(50_000)).hexdigest(), POINTER),
        ),
    )
    assert repository.bytes == 50_022


def test_names_that_lead_out_of_a_folder_are_not_downloaded(hub: HubServer) -> None:
    hub.publish(NAME, {**FILES, "folder/config.json": b"{}", "..\\config.json": b"{}", "nul.json": b"{}"})
    assert [file.name for file in ask_hub(NAME, None, wanted_for_export).files] == ["config.json", "model.safetensors"]


def test_a_revision_stays_what_it_was(hub: HubServer) -> None:
    old = hub.publish(NAME, FILES)
    new = hub.publish(NAME, {**FILES, "config.json": b"{}"})
    assert ask_hub(NAME, None, everything).commit == new
    repository = ask_hub(NAME, old, everything)
    assert repository.commit == old
    assert read_small_file(repository, "config.json") == FILES["config.json"]


def test_files_in_subfolders_are_not_offered(hub: HubServer) -> None:
    hub.publish(NAME, {**FILES, "onnx/model.bin": b"1", "../config.json": b"2"}, license=None)
    repository = ask_hub(NAME, None, everything)
    assert {file.name for file in repository.files} == set(FILES)
    assert repository.license is None


def test_a_small_file_that_is_damaged_or_missing(hub: HubServer) -> None:
    hub.publish(NAME, FILES)
    repository = ask_hub(NAME, None, everything)
    hub.fail("config.json", Fault(content=b'{"model_type": "phi4"}'))
    with pytest.raises(ConfigurationError, match="wrong size or checksum"):
        read_small_file(repository, "config.json")
    with pytest.raises(ConfigurationError, match=f"{NAME} has no tokenizer.json; choose a repository that has it"):
        read_small_file(repository, "tokenizer.json")


def test_no_such_repository(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert error_line() == (
        f"the hub has no model {NAME}; check the name at https://huggingface.co/models, and if it is private, set "
        "HF_TOKEN or run 'hf auth login'"
    )
    hub.accounts["hf_mine"] = set()
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert "if it is private, give HF_TOKEN the right to read it" in error_line()


def test_a_private_repository(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish(NAME, FILES, private=True)
    assert f"the hub has no model {NAME}" in error_line()
    hub.accounts["hf_mine"] = {NAME}
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert ask_hub(NAME, None, everything).name == NAME


def test_no_such_revision(hub: HubServer) -> None:
    hub.publish(NAME, FILES)
    assert error_line(NAME, "v9") == (
        f"{NAME} has no revision 'v9'; https://huggingface.co/{NAME}/tree/main lists its branches, tags and commits"
    )


def test_a_gated_repository(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish(NAME, FILES, gated=True)
    terms = f"accept its terms at https://huggingface.co/{NAME}"
    assert error_line() == f"{NAME} is gated; {terms}, then set HF_TOKEN or run 'hf auth login'"
    hub.accounts["hf_mine"] = set()
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert f"{NAME} is gated, and your token may not read it yet; {terms} with the token's account" in error_line()
    hub.accounts["hf_mine"] = {NAME}
    assert read_small_file(ask_hub(NAME, None, everything), "config.json") == FILES["config.json"]


def test_a_token_that_is_refused(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish(NAME, FILES)
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    assert "the hub refuses your token (HF_TOKEN or 'hf auth login'); make a new one at" in error_line()
    assert "hf_old" not in error_line()


def test_a_mistyped_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_short…")
    assert error_line() == "your token holds a character that no token has; set HF_TOKEN or run 'hf auth login'"


def test_a_bare_401_without_a_token(hub: HubServer) -> None:
    hub.fail(API, Fault(status=401))
    assert f"the hub has no model {NAME}" in error_line()


@pytest.mark.parametrize("name", ["https://huggingface.co/microsoft/Phi-3", "a b", "", "../etc", "microsoft/"])
def test_a_malformed_name(hub: HubServer, name: str) -> None:
    assert error_line(name) == (f"{name!r} is not a hub id; one looks like microsoft/Phi-3-mini-4k-instruct")
    assert hub.questions == 0


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault(status=503), "is failing (it answers 503); try again in a few minutes"),
        (Fault(status=520), "is failing (it answers 520)"),
        (
            Fault(status=429),
            "the hub allows no more requests for now; try again in a few minutes; with a token it allows",
        ),
        (Fault(status=429, headers={"RateLimit": '"api";r=0;t=55'}), "try again in 55 seconds; with a token it allows"),
        (
            Fault(status=403, headers={"X-Error-Message": "Access to this resource is disabled."}),
            "the hub has disabled",
        ),
        (Fault(status=418), f"refuses {NAME} (it answers 418); check HF_ENDPOINT and what HF_TOKEN may read"),
        (Fault(status=400, headers={"X-Error-Message": "No,\tno."}), "(it answers 400: No, no.)"),
        (Fault(status=200, content=b"<html>Please sign in</html>"), "is not a model hub; check HF_ENDPOINT, the proxy"),
        (Fault(status=200, content=b'{"status": "ok"}'), "is not a model hub"),
        (Fault(status=200, content=b'{"id": "a", "sha": "../../b"}'), "is not a model hub"),
        (Fault(status=200, content=WITHOUT_SIZES), "does not list sizes and checksums"),
        (Fault(status=200, content=WITHOUT_SIZES.replace(b'"a"', b'"../../a"')), "is not a model hub"),
    ],
)
def test_a_hub_that_fails(hub: HubServer, fault: Fault, line: str) -> None:
    hub.fail(API, fault)
    assert line in error_line()


def test_a_hub_out_of_reach(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", f"http://user:secret@{address}")
        line = error_line()
    assert f"cannot reach the hub at http://{address} (" in line
    assert "check the network, the proxy (HTTPS_PROXY) and HF_ENDPOINT" in line
    assert "secret" not in line


@pytest.mark.parametrize("address", ["huggingface.co", "http://[", "ftp://127.0.0.1", "http://127.0.0.1:99999"])
def test_an_endpoint_that_is_not_an_address(hub: HubServer, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert f"cannot reach the hub at {address} (" in error_line()


def test_offline_mode(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids requests to the hub; unset it" in error_line()
    assert hub.questions == 0


def test_nothing_but_the_hub_is_needed_and_nothing_is_printed(hub: HubServer, tmp_path: Path) -> None:
    hub.publish(NAME, FILES)
    program = (
        "import pathlib, sys\n"
        "from bot.export.hub import ask_hub, fetch_files\n"
        f"fetch_files(ask_hub({NAME!r}, None, set), pathlib.Path(sys.argv[1]), lambda done, total: None)\n"
        "assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name for path in (tmp_path / "model").iterdir()} == set(FILES)


CHECKPOINT = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "chat_template.jinja",
    "merges.txt",
}
NEEDLESS = {
    "README.md",
    "LICENSE",
    "model.onnx",
    "model-q4.gguf",
    "tf_model.h5",
    "flax_model.msgpack",
    "requirements.txt",
}


def test_wanted_for_export() -> None:
    shards = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"}
    pickled = {"pytorch_model-00001-of-00001.bin"}
    own_format = {"consolidated.safetensors", "training_args.bin"}
    code = {"modeling_phi3.py"}
    others = NEEDLESS | own_format | code
    assert wanted_for_export(CHECKPOINT | shards | pickled | others) == CHECKPOINT | shards
    assert wanted_for_export(CHECKPOINT | pickled | others) == CHECKPOINT | pickled
    single = {"model.safetensors"}
    assert wanted_for_export(CHECKPOINT | shards | single | others) == CHECKPOINT | single | {
        "model.safetensors.index.json"
    }
    with_code = partial(wanted_for_export, trust_remote_code=True)
    assert with_code(CHECKPOINT | shards | others) == CHECKPOINT | shards | code


def test_wanted_of_prebuilt() -> None:
    model = {f"openvino_{part}.{end}" for part in ("model", "tokenizer", "detokenizer") for end in ("xml", "bin")}
    others = NEEDLESS | {"model.safetensors", "pytorch_model.bin", "configuration_phi3.py"}
    assert wanted_of_prebuilt(CHECKPOINT | model | others | {"openvino_config.json"}) == CHECKPOINT | model | {
        "openvino_config.json"
    }
