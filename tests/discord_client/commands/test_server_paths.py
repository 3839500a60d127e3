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
    assert without_server_paths(text, tmp_path) == expected
    monkeypatch.chdir(tmp_path.parent)
    text = f"{tmp_path} is damaged: {tmp_path}/versions/b"
    assert without_server_paths(text, Path(tmp_path.name)) == "MODEL_DIR is damaged: MODEL_DIR/versions/b"
    assert without_server_paths(text, Path(tmp_path.name), "./x") == "./x is damaged: ./x/versions/b"


@pytest.mark.parametrize("folder", ["/", "a\0b", "\ud800", "~nobody-of-this-name", "x" * 5000])
def test_any_folder_leaves_other_text_alone(folder: str) -> None:
    assert without_server_paths("an error in a/b", Path(folder)) == "an error in a/b"


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
