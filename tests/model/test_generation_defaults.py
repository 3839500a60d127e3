"""What a model's `generation_config.json` decides, and what the settings override."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.engine.interface import Sampling
from bot.model.folder import open_model_folder
from bot.model.generation_defaults import GenerationDefaults
from bot.settings import load_settings
from tests.model.exported_folder import write_model

DRAWS = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1}


def sampling(document: dict[str, Any], **settings: object) -> Sampling:
    return load_settings(env_file=None, **settings).sampling_for(GenerationDefaults.read(document))


def longest(document: dict[str, Any], **settings: object) -> int:
    return load_settings(env_file=None, **settings).max_new_tokens_for(GenerationDefaults.read(document))


def test_an_empty_file_means_the_likeliest_token() -> None:
    assert sampling({}) == Sampling()
    assert longest({}) == 1024


def test_the_makers_values_apply() -> None:
    assert sampling(DRAWS) == Sampling(temperature=0.6, top_p=0.9, top_k=40, repetition_penalty=1.1)
    assert longest({"max_new_tokens": 300}) == 300


@pytest.mark.parametrize("do_sample", [False, None, "yes", 1])
def test_without_do_sample_the_likeliest_token_is_taken(do_sample: object) -> None:
    assert sampling({**DRAWS, "do_sample": do_sample}).temperature == 0


def test_do_sample_alone_means_temperature_1() -> None:
    assert sampling({"do_sample": True}).temperature == 1


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({"temperature": 0}, Sampling(0, 0.9, 40, 1.1)),
        ({"temperature": 1.5}, Sampling(1.5, 0.9, 40, 1.1)),
        ({"top_p": 0.5}, Sampling(0.6, 0.5, 40, 1.1)),
        ({"top_k": 0}, Sampling(0.6, 0.9, 0, 1.1)),
        ({"repetition_penalty": 1}, Sampling(0.6, 0.9, 40, 1)),
        ({"seed": 7}, Sampling(0.6, 0.9, 40, 1.1, seed=7)),
    ],
)
def test_a_setting_overrides_its_value_only(settings: dict[str, float], chosen: Sampling) -> None:
    assert sampling(DRAWS, **settings) == chosen


def test_max_new_tokens_overrides_the_file() -> None:
    assert longest({"max_new_tokens": 300}, max_new_tokens=20) == 20
    assert longest({"max_new_tokens": 300}, max_new_tokens=2000) == 2000


@pytest.mark.parametrize("value", ["0.5", None, True, -1, float("nan"), float("inf"), [1]])
def test_an_unusable_value_is_ignored(value: object) -> None:
    names = ("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens")
    document = {"do_sample": True, **dict.fromkeys(names, value)}
    assert GenerationDefaults.read(document) == GenerationDefaults.read({"do_sample": True})


def test_a_model_folder_has_its_defaults(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    assert open_model_folder(folder).generation_defaults == GenerationDefaults()
    (folder / "generation_config.json").write_text(json.dumps(DRAWS), encoding="utf-8")
    assert open_model_folder(folder).generation_defaults == GenerationDefaults.read(DRAWS)
