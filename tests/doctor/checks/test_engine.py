"""Device, properties and memory, with the real OpenVINO in its child process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.doctor.check import Check, Findings, run_check
from bot.doctor.checks import engine
from bot.doctor.checks.engine import check_device, check_memory
from bot.doctor.checks.model import usable_model
from bot.engine.worker.memory_limit import UsableMemory
from bot.settings import Settings, load_settings
from tests.doctor.found import found


def settings_for(folder: Path, **values: str) -> Settings:
    return load_settings(env_file=None, model_dir=folder, **values)


async def device(settings: Settings) -> tuple[str, str, str]:
    async def find() -> Findings:
        return await check_device(settings, usable_model(settings)[0])

    [only] = found(await run_check(Check("device", find, 120)), "device")
    return only


async def test_the_processor_and_its_precision(small_model_dir: Path) -> None:
    result, line, way_out = await device(settings_for(small_model_dir))
    assert (result, way_out) == ("ok", "")
    assert line.startswith("CPU: ")
    assert line.endswith(", inference in f32")


async def test_a_device_that_does_not_exist_even_without_a_model(tmp_path: Path) -> None:
    result, line, way_out = await device(settings_for(tmp_path / "nowhere", device="TOASTER"))
    assert result == "error"
    assert line == "there is no device 'TOASTER' for OpenVINO here"
    assert way_out.startswith("this machine has CPU")
    assert way_out.endswith("set DEVICE to one of them or to AUTO")


async def test_a_property_that_does_not_exist(small_model_dir: Path) -> None:
    result, line, way_out = await device(settings_for(small_model_dir, device_properties="TURBO=1"))
    assert (result, line) == ("error", "CPU has no OpenVINO property 'TURBO'")
    assert "INFERENCE_PRECISION_HINT" in way_out
    assert "NUM_STREAMS" in way_out


async def test_properties_that_exclude_each_other(small_model_dir: Path) -> None:
    properties = "KEY_CACHE_PRECISION=u8,VALUE_CACHE_PRECISION=f32"
    result, line, way_out = await device(settings_for(small_model_dir, device_properties=properties))
    assert result == "error"
    assert "exclude each other" in line
    assert way_out == "change one in DEVICE_PROPERTIES"


def memory(settings: Settings, *, bot_runs: bool = False) -> tuple[str, str, str]:
    async def find() -> Findings:
        return check_memory(settings, usable_model(settings)[0], bot_runs=bot_runs)

    [only] = found(asyncio.run(run_check(Check("memory", find, 30))), "memory")
    return only


def test_memory_is_planned_as_the_engine_would(small_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(small_model_dir)
    assert memory(settings)[0] == "ok"
    assert memory(settings, bot_runs=True)[0] == "skipped"
    monkeypatch.setattr(engine, "usable_memory", lambda: UsableMemory(10_000_000, "the cgroup limit of 0.1 GB"))
    result, line, way_out = memory(settings)
    assert result == "error"
    assert "(the cgroup limit of 0.1 GB)" in line
    assert way_out.startswith("use a smaller model")


def test_a_cache_that_was_set_too_large(small_model_dir: Path) -> None:
    result, line, _ = memory(settings_for(small_model_dir, kv_cache_gigabytes="1000"))
    assert result == "error"
    assert "KV_CACHE_GIGABYTES" in line


def test_a_cache_that_holds_less_than_the_context(small_model_dir: Path) -> None:
    result, line, way_out = memory(settings_for(small_model_dir, kv_cache_gigabytes="0.05"))
    assert result == "warning"
    assert "so a conversation has at most" in line
    assert way_out.startswith("set a larger KV_CACHE_GIGABYTES")


def test_the_samples_own_engine(small_model_dir: Path) -> None:
    assert memory(settings_for(small_model_dir, engine="optimum"))[0] == "ok"
