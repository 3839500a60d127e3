"""Tries a new model folder in every engine, as the bot will run it, and times one of them."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.engine.interface import EngineFacts, EngineOptions, FinishReason, GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError
from bot.export.corpus import READING_TEXT
from bot.export.peak_memory import PeakMemory
from bot.export.timed_generation import MeasureError, TimedGeneration, generate
from bot.model.folder import open_model_folder
from bot.model.report import Finding, Speed
from bot.prompting.prompt import Message, PromptBuilder

QUESTION = "What is the capital of France? Answer in one short sentence."
_TIMED_ENGINE = "paged"
_ANSWER_TOKENS = 32
_SECONDS = 300.0
_PROMPT_TOKENS = 256
_TIMED_TOKENS = 32
_CACHE_GIGABYTES = 0.05  # engines round this up to what one short conversation needs


def try_engines(model: Path, say: Callable[[str], None]) -> tuple[list[Finding], Speed | None]:
    """Have each installed engine load the model and answer a question; time the bot's default engine.

    The engines run with the bot's default properties, precision included.

    Args:
        say: receives the name of each stage.

    Returns:
        a finding for each engine, and the speed; None if the answer came too fast to time.

    Raises:
        ConfigurationError: an engine cannot load the model, or does not answer.
    """
    return asyncio.run(_try_engines(model, say))


async def _try_engines(model: Path, say: Callable[[str], None]) -> tuple[list[Finding], Speed | None]:
    findings, speed = [], None
    for name in (_TIMED_ENGINE, "genai", "optimum"):
        what = f"engine {name}"
        if name == "optimum" and not _is_installed():
            detail = "not installed here; only ENGINE=optimum needs it"
            findings.append(Finding(what=what, verdict="skipped", detail=detail))
            continue
        say(f"Trying the engine {name}")
        trial = await _try_engine(name, model, timed=name == _TIMED_ENGINE)
        findings.append(Finding(what=what, verdict="good", detail=f"{trial.facts.engine} answers: «{trial.answer}»"))
        speed = trial.speed or speed
    return findings, speed


@dataclass(frozen=True, slots=True)
class _Trial:
    facts: EngineFacts
    answer: str
    speed: Speed | None


async def _try_engine(name: str, model: Path, *, timed: bool) -> _Trial:
    options = EngineOptions(engine=name, model_dir=model, cache_gigabytes=_CACHE_GIGABYTES, max_batch=1)
    engine = EngineSupervisor(options)
    try:
        with PeakMemory() as memory:
            facts = await engine.start()
            memory.watch_engine(facts.process_id)
            answer = await _answer(engine, model, name)
            run = await _timed(engine, facts, model) if timed else None
    finally:
        await engine.close()
    return _Trial(facts, answer, _speed(facts, run, memory.engine_bytes))


def _is_installed() -> bool:
    return all(importlib.util.find_spec(package) is not None for package in ("torch", "optimum"))


async def _answer(engine: EngineSupervisor, model: Path, name: str) -> str:
    """Ask the question as the bot would, decode greedily, and return the answer on one line."""
    builder = PromptBuilder.from_folder(model, open_model_folder(model).eos_token_ids)
    prompt = builder.build([Message("user", QUESTION)])
    generation = engine.submit(GenerationRequest(prompt.ids, builder.stop_ids, _ANSWER_TOKENS, _SECONDS))
    ids = [id async for piece in generation for id in piece]
    outcome = generation.outcome
    if outcome is None or outcome.reason not in (FinishReason.STOP, FinishReason.LENGTH):
        reason = "without a reason" if outcome is None else outcome.detail or outcome.reason
        raise ConfigurationError(f"the engine {name} loads the new model but does not answer: {reason}")
    return " ".join(builder.tokenizer.decode(ids).split())


async def _timed(engine: EngineSupervisor, facts: EngineFacts, model: Path) -> tuple[int, TimedGeneration] | None:
    """Time a prompt of up to `_PROMPT_TOKENS` tokens and its answer; None if that fails."""
    room = facts.context_tokens - _TIMED_TOKENS
    ids = PromptBuilder.from_folder(model).tokenizer.encode(READING_TEXT)[: min(_PROMPT_TOKENS, room)]
    try:
        return len(ids), await generate(engine, tuple(ids), _TIMED_TOKENS)
    except MeasureError:
        return None


def _speed(facts: EngineFacts, timed: tuple[int, TimedGeneration] | None, peak_bytes: int) -> Speed | None:
    if timed is None:
        return None
    prompt_tokens, run = timed
    try:
        return Speed(
            engine=facts.engine,
            device_name=facts.device_name,
            load_seconds=facts.load_seconds,
            prompt_tokens_per_second=prompt_tokens / run.first_token_seconds,
            answer_tokens_per_second=run.decode_tokens_per_second,
            peak_memory_bytes=peak_bytes,
        )
    except MeasureError:  # a tiny model answers in one piece
        return None
