"""Chat template, stop tokens and tokenizers, broken on purpose and repaired in the exported folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigurationError
from bot.export.repair import check_chat_template, check_stop_tokens
from bot.export.tokenizer_check import check_tokenizers
from bot.export.workspace import open_workspace
from bot.model.report import Finding
from bot.prompting.chat_template import PHI3_TEMPLATE
from bot.prompting.prompt import Message, PromptBuilder
from tests.export.exported_home import Exported
from tests.phi3_tokenizer import REAL_FOLDER, TEMPLATE_APRIL_2024


@pytest.fixture
def model(exported: Exported, tmp_path: Path) -> Path:
    """A copy of the exported folder, as it was before the manifest was written."""
    return Path(shutil.copytree(exported.model, tmp_path / "model", ignore=shutil.ignore_patterns("manifest.json")))


@pytest.fixture
def change(model: Path) -> Callable[..., None]:
    def change(name: str, **values: Any) -> None:
        document = json.loads((model / name).read_text(encoding="utf-8"))
        document = {key: value for key, value in (document | values).items() if value is not None}
        (model / name).write_text(json.dumps(document), encoding="utf-8")

    return change


def prompt(model: Path) -> str:
    messages = [Message("system", "Be brief."), Message("user", "Hello")]
    return PromptBuilder.from_folder(model).build(messages).text


def ends(model: Path) -> list[int]:
    ids: list[int] = json.loads((model / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"]
    return ids


def test_missing_stop_tokens_are_added(model: Path, exported: Exported, change: Callable[..., None]) -> None:
    ids = exported.tokenizer.ids
    change("generation_config.json", eos_token_id=[ids["<|endoftext|>"]])
    finding = check_stop_tokens(model)
    assert (finding.verdict, finding.what) == ("repaired", "stop tokens")
    assert finding.detail == f"added {ids['<|end|>']} to generation_config.json"
    assert ends(model) == sorted([ids["<|endoftext|>"], ids["<|end|>"]])
    assert check_stop_tokens(model).verdict == "good"


def test_no_generation_config_at_all(model: Path, exported: Exported) -> None:
    (model / "generation_config.json").unlink()
    assert check_stop_tokens(model).verdict == "repaired"
    assert exported.tokenizer.ids["<|end|>"] in ends(model)


def test_a_model_without_any_end(model: Path, change: Callable[..., None]) -> None:
    change("config.json", eos_token_id=None)
    change("generation_config.json", eos_token_id=None)
    (model / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}> ", encoding="utf-8"
    )
    finding = check_stop_tokens(model)
    assert finding == Finding(
        what="stop tokens", verdict="noted", detail="the model names none, so answers end only at the length limit"
    )


def test_the_template_of_april_2024(model: Path) -> None:
    good = prompt(model)
    (model / "chat_template.jinja").write_text(TEMPLATE_APRIL_2024, encoding="utf-8")
    finding = check_chat_template(model, None)
    assert finding.verdict == "repaired"
    assert "dropped the system prompt" in finding.detail
    assert (model / "chat_template.jinja").read_text(encoding="utf-8") == PHI3_TEMPLATE
    assert prompt(model) == good


def test_a_missing_template(model: Path, exported: Exported) -> None:
    good = prompt(model)
    template = model / "chat_template.jinja"
    content = template.read_text(encoding="utf-8")
    template.unlink()
    assert check_chat_template(model, None).detail == "was missing; replaced by Phi-3's current one"
    assert prompt(model) == good
    template.unlink()
    source = model.parent / "source"
    source.mkdir()
    (source / "chat_template.jinja").write_text(content, encoding="utf-8")
    assert check_chat_template(model, source).detail == "was missing; copied from the checkpoint"
    assert template.read_text(encoding="utf-8") == content
    assert check_chat_template(model, exported.checkpoint).verdict == "good"


def test_a_model_of_another_family_without_a_template(model: Path) -> None:
    (model / "chat_template.jinja").unlink()
    definition = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    definition["added_tokens"] = definition["added_tokens"][:3]
    (model / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="has no chat template"):
        check_chat_template(model, None)


def test_another_familys_template_without_a_system_role(model: Path) -> None:
    definition = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    definition["added_tokens"] = definition["added_tokens"][:3]
    (model / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    (model / "chat_template.jinja").write_text(TEMPLATE_APRIL_2024, encoding="utf-8")
    assert check_chat_template(model, None).verdict == "noted"


def check(
    exported: Exported, home: Path, source: Path | None, breaks: Callable[[Path], None]
) -> tuple[Path, dict[str, Finding]]:
    """Check a copy of the exported model, broken; return what is there afterwards, and the findings."""
    kept = home.parent / "kept"
    with open_workspace(home, pytest.fail) as workspace:
        shutil.copytree(exported.model, workspace.model)
        breaks(workspace.model)
        findings = {each.what: each for each in check_tokenizers(workspace, source)}
        shutil.copytree(workspace.model, kept)
    return kept, findings


def test_another_tokenizer_is_replaced_by_the_original(exported: Exported, tmp_path: Path) -> None:
    def breaks(model: Path) -> None:
        definition = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
        del definition["model"]["merges"][5:]
        (model / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")

    kept, findings = check(exported, tmp_path / "home", exported.checkpoint, breaks)
    assert findings["tokenizer.json"].verdict == "repaired"
    assert (kept / "tokenizer.json").read_bytes() == (exported.checkpoint / "tokenizer.json").read_bytes()
    assert findings["transformers' tokenizer"].verdict == "good"


def test_transformers_reads_the_file_unchanged_after_a_repair(exported: Exported, tmp_path: Path) -> None:
    """transformers 5 rebuilds LlamaTokenizer for a llama, with other ids than a file like Phi-3's gives."""

    def breaks(model: Path) -> None:
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        (model / "config.json").write_text(json.dumps({**config, "model_type": "llama"}), encoding="utf-8")
        (model / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "<|endoftext|>"}),
            encoding="utf-8",
        )

    kept, findings = check(exported, tmp_path / "home", exported.checkpoint, breaks)
    finding = findings["transformers' tokenizer"]
    assert finding.verdict == "repaired", finding
    assert "now uses PreTrainedTokenizerFast" in finding.detail
    config = json.loads((kept / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (config["tokenizer_class"], config["eos_token"]) == ("PreTrainedTokenizerFast", "<|endoftext|>")


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason="Phi-3's own tokenizer is not beside the project")
def test_phi3s_own_tokenizer_is_read_correctly_after_a_repair(tmp_path: Path) -> None:
    """As published, transformers 5 reads other ids than llama.cpp and the model's training."""
    with open_workspace(tmp_path / "home", pytest.fail) as workspace:
        workspace.model.mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(REAL_FOLDER / name, workspace.model / name)
        findings = {each.what: each for each in check_tokenizers(workspace, REAL_FOLDER)}
        config = json.loads((workspace.model / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert findings["tokenizer.json"].verdict == "good"
    assert findings["transformers' tokenizer"].verdict == "repaired"
    assert re.match(r"gave other ids for \d+ of \d+ texts", findings["transformers' tokenizer"].detail)
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "chat_template" in config


@pytest.mark.parametrize("missing", ["openvino_*tokenizer.*", "openvino_detokenizer.xml"])
def test_a_converted_tokenizer_that_is_missing_is_made(exported: Exported, tmp_path: Path, missing: str) -> None:
    def breaks(model: Path) -> None:
        for path in model.glob(missing):
            path.unlink()

    kept, findings = check(exported, tmp_path / "home", None, breaks)
    assert findings["tokenizer.json"].verdict == "skipped"
    # Every conversion reads `<0x41>` in a text as a byte.
    assert "such as '<0x41><0x0A>'" in findings["openvino_tokenizer.xml"].detail
    assert {each.name for each in kept.glob("openvino_*tokenizer.*")} == {
        each.name for each in exported.model.glob("openvino_*tokenizer.*")
    }


def test_no_tokenizer_is_a_refusal(exported: Exported, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the model's tokenizer\.json is missing or damaged"):
        check(exported, tmp_path / "home", None, lambda model: (model / "tokenizer.json").unlink())
