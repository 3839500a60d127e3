"""What the installed exporter cannot export, or the bot cannot run, is refused before the download."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.export.exporter_support import require_exportable
from tests.export.export_process import ROOT, export
from tests.export.hub_server import HubServer

GEMMA = {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "vocab_size": 9, "hidden_size": 8}


def test_a_model_that_the_exporter_refuses_is_not_downloaded(hub: HubServer, tmp_path: Path) -> None:
    hub.publish("ada/gemma", {"config.json": json.dumps(GEMMA).encode(), "model.safetensors": bytes(1000)})
    for flags in (["--dry-run"], []):
        done = export("--model", "ada/gemma", "--output", tmp_path / "home", *flags)
        assert done.code == 2
        assert re.fullmatch(
            r"error: ada/gemma cannot be exported: optimum-intel 2\.1\.\d exports its type, gemma2, only with "
            r"transformers 4\.57 to 5\.0, and 5\.5\.\d is installed; choose another model \(docs/models\.md lists what "
            r"works\), or fetch one that is already exported: --prebuilt ID",
            done.last_line,
        )
    assert [each for each in hub.requests if "safetensors" in str(each)] == []
    assert not (tmp_path / "home").exists()


def test_a_model_that_can_be_exported() -> None:
    require_exportable("ada/model", b'{"model_type": "phi3"}')


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        ({"model_type": "unheard_of"}, "does not know its type, unheard_of"),
        ({"model_type": ["phi3"]}, r"its config\.json names no model_type"),
        (
            {"model_type": "llama", "quantization_config": {"quant_method": "awq", "bits": 4}},
            r"its weights are already compressed \(awq\), and transformers cannot read them here \(.*\)",
        ),
        ({"model_type": "gpt_neo"}, "the bot's engines cannot run its type, gpt_neo"),
        (
            {"model_type": "gpt2"},
            r"the bot's engines cannot run its type, gpt2: its config\.json has no usable max_position_embeddings",
        ),
        ({"model_type": "llama", "vocab_size": "many"}, r"transformers cannot read its config\.json \(.*\)"),
    ],
    ids=["type", "no type", "compressed", "attention", "sizes", "damaged"],
)
def test_other_causes(config: dict[str, object], cause: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^ada/model cannot be exported: .*{cause}; choose another model "):
        require_exportable("ada/model", json.dumps(config).encode())


def test_the_documentation_lists_all_types_that_work() -> None:
    program = "import json; from bot.export.exporter_support_child import supported_types as s; print(json.dumps(s()))"
    # In a process of its own, because torch would stay in this one.
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    [listed] = re.findall(r"<!-- types that work -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert sorted(re.findall(r"`([\w-]+)`", listed)) == json.loads(done.stdout.splitlines()[-1])
