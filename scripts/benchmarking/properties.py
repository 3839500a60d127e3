"""The effect of a device's properties on speed and quality."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarking.decode_rate import decode_rate_together
from benchmarking.machine import describe_machine, describe_model
from benchmarking.prompts import Prompts
from benchmarking.statistics import equal_share
from benchmarking.text import TEXT
from bot.engine.interface import Engine, EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError
from bot.export.timed_generation import MeasureError, generate
from bot.model.folder import ModelFolder

Properties = Mapping[str, str]
Report = dict[str, Any]

EXACT: Properties = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}
"""The most exact arithmetic that a processor offers; quality is agreement with it."""

DEFAULT_SETS: tuple[Properties, ...] = (
    {},
    *({"DYNAMIC_QUANTIZATION_GROUP_SIZE": size} for size in ("0", "32", "64", "128")),
    *({"INFERENCE_PRECISION_HINT": precision} for precision in ("f32", "f16", "bf16")),
    *({"KV_CACHE_PRECISION": precision} for precision in ("u8", "f16", "f32", "u4")),
    *(
        {"KV_CACHE_PRECISION": precision, "KEY_CACHE_QUANT_MODE": mode}
        for precision in ("u8", "u4")
        for mode in ("BY_CHANNEL", "BY_TOKEN")
    ),
)

_FIRST_POSITION = 32
_POSITIONS_APART = 2
"""More than 1, so that several tokens are read at once, as in a prefill."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much to measure for each set; lengths are in tokens.

    Attributes:
        prompt: a prompt that is read alone, for the prefill rate.
        chat_prompt: the prompt of each timed chat.
        chats: how many of these run together, after one has run alone.
        positions: the positions in a text at which the next token is compared.
    """

    prompt: int = 512
    chat_prompt: int = 32
    chat_answer: int = 32
    chats: int = 8
    positions: int = 200


QUICK = Sizes(prompt=64, chat_prompt=16, chat_answer=8, chats=2, positions=16)


def new_report(folder: ModelFolder, engine: str, sizes: Sizes) -> Report:
    """Return an empty report; the run fills `sets`."""
    return {
        "machine": describe_machine(),
        "model": describe_model(folder),
        "engine": engine,
        "sizes": asdict(sizes),
        "sets": [],
    }


async def measure_set(options: EngineOptions, prompts: Prompts, sizes: Sizes, properties: Properties) -> Report:
    """Load the engine with a set of properties and return its figures, or `failed` with the reason."""
    engine = EngineSupervisor(replace(options, properties=properties))
    try:
        facts = await engine.start()
        return {
            "properties": dict(properties),
            "device_name": facts.device_name,
            "cache_bytes_per_token": facts.cache_bytes / facts.cache_tokens,
            **await _speed(engine, prompts, sizes),
            "next_ids": await _next_tokens(engine, prompts, sizes),
        }
    except (ConfigurationError, MeasureError) as error:
        return {"properties": dict(properties), "failed": str(error)}
    finally:
        await engine.close()


def compare_with_exact(report: Report) -> None:
    """Add to each set how far its next tokens agree with those of the first set, the exact one."""
    exact = report["sets"][0]
    for each in report["sets"]:
        if "next_ids" in each and "next_ids" in exact:
            each["agreement"] = equal_share([each["next_ids"]], [exact["next_ids"]])


def write_report(report: Report, output: Path) -> None:
    """Write `output`.json and .md, and create their folder if it is missing."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(markdown_table(report), encoding="utf-8")


def markdown_table(report: Report) -> str:
    """Return a report's table: one row for each set, with its figures or the reason why it has none."""
    chats, sets = report["sizes"]["chats"], report["sets"]
    titles = ("prefill, tokens/s", "1 chat, tokens/s", f"{chats} chats, tokens/s", "KV cache, KB/token", "as exact, %")
    lines = [f"| properties | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    for each in sets:
        lines.append(f"| {' | '.join([named(each['properties']), *_cells(each, len(titles))])} |")
    model, device = report["model"], next((each["device_name"] for each in sets if "device_name" in each), "no device")
    positions = max((len(each.get("next_ids", ())) for each in sets), default=0)
    caption = (
        f"{model['name']} ({model['recipe'] or 'unknown recipe'}) on {device}, engine `{report['engine']}`. "
        f"As exact: at how many of {positions} positions in a text the likeliest next token is that of the first row."
    )
    return "\n".join([*lines, "", caption]) + "\n"


def named(properties: Properties) -> str:
    """Return a set of properties as the table shows it."""
    return ", ".join(f"{name}={value}" for name, value in properties.items()) or "(the engine's own)"


async def _speed(engine: Engine, prompts: Prompts, sizes: Sizes) -> Report:
    def chat(name: str) -> Any:
        return generate(engine, prompts.random_ids(name, sizes.chat_prompt), sizes.chat_answer)

    read = await generate(engine, prompts.random_ids("read alone", sizes.prompt), 1)
    alone = await chat("alone")
    together = await asyncio.gather(*(chat(f"together {number}") for number in range(sizes.chats)))
    return {
        "prefill_tokens_per_second": sizes.prompt / read.first_token_seconds,
        "one_chat_tokens_per_second": alone.decode_tokens_per_second,
        "together_tokens_per_second": decode_rate_together(together),
    }


async def _next_tokens(engine: Engine, prompts: Prompts, sizes: Sizes) -> list[int]:
    """Return the likeliest token after each of several prefixes of the text; most of each is cached."""
    text = tuple(prompts.builder.tokenizer.encode(TEXT, at_start=True))
    return [(await generate(engine, text[:end], 1)).ids[0] for end in _ends(len(text), sizes.positions)]


def _ends(length: int, positions: int) -> Sequence[int]:
    return range(_FIRST_POSITION, length, _POSITIONS_APART)[:positions]


def _cells(each: Report, count: int) -> Iterator[str]:
    if "failed" in each:
        yield str(each["failed"])
        yield from [""] * (count - 1)
        return
    yield f"{each['prefill_tokens_per_second']:.1f}"
    yield f"{each['one_chat_tokens_per_second']:.1f}"
    yield f"{each['together_tokens_per_second']:.1f}"
    yield f"{each['cache_bytes_per_token'] / 1000:.1f}"
    yield f"{each['agreement'] * 100:.1f}" if "agreement" in each else ""
