"""What texts on Discord say of the server's folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.discord_client.commands.server_paths import public_source, without_server_paths
from bot.own_command import own_command


def test_the_model_folder_is_named_as_in_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = own_command("export", "--output", str(tmp_path))
    text = f"{tmp_path} is damaged: {tmp_path}/versions/b/config.json; run `{command}`"
    expected = "MODEL_DIR is damaged: MODEL_DIR/versions/b/config.json; run `python -m bot export --output MODEL_DIR`"
    assert without_server_paths(text, {"MODEL_DIR": tmp_path}) == expected
    monkeypatch.chdir(tmp_path.parent)
    text = f"{tmp_path} is damaged: {tmp_path}/versions/b"
    for name in ("MODEL_DIR", "./x"):
        assert without_server_paths(text, {name: Path(tmp_path.name)}) == f"{name} is damaged: {name}/versions/b"


def test_each_folder_gets_its_own_name(tmp_path: Path) -> None:
    draft, other = tmp_path / "draft", Path("other")
    text = f"DRAFT_MODEL_DIR: {draft} is not for {tmp_path} but for {other.absolute()}"
    folders = {"MODEL_DIR": tmp_path, "DRAFT_MODEL_DIR": draft, "other": other}
    assert without_server_paths(text, folders) == "DRAFT_MODEL_DIR: DRAFT_MODEL_DIR is not for MODEL_DIR but for other"
    without = {"MODEL_DIR": tmp_path, "DRAFT_MODEL_DIR": None}
    assert without_server_paths(str(tmp_path), without) == "MODEL_DIR"


@pytest.mark.parametrize("folder", ["/", "a\0b", "\ud800", "~nobody-of-this-name", "x" * 5000])
def test_any_folder_leaves_other_text_alone(folder: str) -> None:
    assert without_server_paths("an error in a/b", {"MODEL_DIR": Path(folder)}) == "an error in a/b"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (None, None),
        ("microsoft/Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct"),
        ("https://ada:secret@example.org/a/model.gguf?token=secret#x", "https://example.org/a/model.gguf"),
        ("https://example.org", "https://example.org"),
        ("/home/ada/checkpoints/phi-3/", "phi-3"),
        ("C:\\Users\\ada\\phi-3", "phi-3"),
        ("../phi-3", "phi-3"),
        ("file:///home/ada/phi-3", "phi-3"),
        ("/", None),
    ],
)
def test_the_public_part_of_a_models_origin(source: str | None, shown: str | None) -> None:
    assert public_source(source) == shown
