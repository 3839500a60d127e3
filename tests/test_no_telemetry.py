"""OpenVINO reports each import to its makers, unless the bot prevents it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("imports", ["openvino", "bot, openvino, openvino_genai, openvino_tokenizers"])
def test_nothing_is_reported(imports: str, tmp_path: Path) -> None:
    """OpenVINO gives each home an id and counts the reports in it; in CI it reports nothing."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    # To an address that nobody listens on, so that the case without the bot reports nothing either.
    no_network = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    subprocess.run(
        [sys.executable, "-c", f"import {imports}"], env=environment | home | no_network, check=True, timeout=240
    )
    assert bool(list(tmp_path.iterdir())) == ("bot" not in imports)
