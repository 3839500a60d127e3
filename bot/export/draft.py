"""Fetched draft models: what they must have in common with a model, and how well they draft for it.

A draft model is not judged by its own answers. A wrong draft costs time, never the text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.supervisor.worker_log import WARNINGS
from bot.errors import ConfigurationError
from bot.export.hub import HubRepository, read_small_file
from bot.export.judgement import Judgement
from bot.export.timed_generation import MeasureError, generate
from bot.model.commands import prebuilt_command
from bot.model.files import TOKENIZER_FILE
from bot.model.folder import NEEDED_FILES, ModelFolder, open_model_folder
from bot.model.report import Finding
from bot.model.same_tokenizer import difference_between, ids_of, read_ids
from bot.model.versions import ModelVersions
from bot.prompting.prompt import Message, PromptBuilder

KIND = "draft"
"""Ends the name of a version that is a draft model."""

QUESTION = "Why is the sky blue? Answer in a few sentences."
_ANSWER_TOKENS = 64
_DRAFT_TOKENS = 8  # the default of DRAFT_TOKENS
_REFUSED = "the draft model is refused, so the current version stays"
_CACHE_GIGABYTES = 0.05  # the engine rounds this up to what one short conversation needs


def is_draft(version: str) -> bool:
    """Whether a version was fetched as a draft model."""
    return version.endswith(f"-{KIND}")


def model_to_draft_for(folder: Path, home: Path) -> ModelFolder:
    """Open the model that a draft model is fetched for.

    Args:
        folder: its folder, as MODEL_DIR names it.
        home: the folder for the draft model's versions.

    Raises:
        ConfigurationError: there is no usable model, or `home` is another model's folder.
    """
    if not folder.exists():
        raise ConfigurationError(
            f"there is no model in {folder} to draft for; name its folder with --draft-for, or fetch one first with "
            f"`{prebuilt_command(folder)}`"
        )
    versions = ModelVersions(home)
    holds_model = any(not is_draft(name) for name in versions.names)
    if holds_model or (not versions.names and (home / NEEDED_FILES[0]).exists()) or home.resolve() == folder.resolve():
        raise ConfigurationError(f"--output {home} is the folder of a model; choose another for the draft model")
    return open_model_folder(folder)


def require_same_ids(repository: HubRepository, model: ModelFolder) -> None:
    """Refuse a draft model before it is downloaded if one of its ids stands for another text than the model's.

    Raises:
        ConfigurationError: it does, or the repository lacks a file.
    """
    there = {file.name for file in repository.files}
    if missing := [name for name in NEEDED_FILES if name not in there]:
        raise ConfigurationError(
            f"{repository.name} cannot be a draft model: it has no {' and no '.join(missing)}; choose one that "
            "was exported with its tokenizer"
        )
    try:
        draft_ids = read_ids(read_small_file(repository, TOKENIZER_FILE))
    except ValueError as error:
        raise ConfigurationError(f"{repository.name} cannot be a draft model: {error}; choose another") from error
    difference = difference_between(ids_of(model.path), draft_ids)
    if difference is not None:
        raise ConfigurationError(
            f"{repository.name} cannot draft for {model.title}, because its tokenizer differs: {difference}; choose a "
            "draft model that was made for this model"
        )


def judge_draft(draft_dir: Path, model: ModelFolder, say: Callable[[str], None]) -> Judgement:
    """Check a draft model's folder, and have it draft for the model in the engine that the bot runs.

    Args:
        say: receives the name of each stage.

    Raises:
        ConfigurationError: the folder is incomplete, or the engine cannot run the two models together.
    """
    same_ids = Finding(what=TOKENIZER_FILE, verdict="good", detail=f"every id is the same as in {model.title}")
    open_model_folder(draft_dir)
    say(f"Drafting for {model.title}")
    return Judgement((same_ids, asyncio.run(_try_drafts(draft_dir, model))), quality=None, speed=None)


async def _try_drafts(draft_dir: Path, model: ModelFolder) -> Finding:
    builder = PromptBuilder.from_folder(model.path, model.eos_token_ids)
    prompt = tuple(builder.build([Message("user", QUESTION)]).ids)
    with _engine_warnings() as warnings:
        facts, answer = await _answer(draft_dir, model, prompt)
    if not facts.draft_model:  # the engine serves without one that it cannot use
        reasons = [line.partition(" reason=")[2] or line for line in warnings]
        raise ConfigurationError(f"{_REFUSED}: {'; '.join(reasons)}")
    right = await _count_right(draft_dir, prompt, answer)
    return Finding(
        what=f"engine {facts.engine}",
        verdict="good" if right else "noted",
        detail=f"drafts for {model.title}: {right / len(answer):.0%} of {len(answer)} next tokens are right",
    )


async def _answer(draft_dir: Path, model: ModelFolder, prompt: tuple[int, ...]) -> tuple[EngineFacts, tuple[int, ...]]:
    """Load both models as the bot does, and have the model answer, greedily."""
    options = replace(_engine_options(model.path), draft_tokens=_DRAFT_TOKENS, draft_model_dir=draft_dir)
    engine = EngineSupervisor(options)
    try:
        facts = await engine.start()
        return facts, (await generate(engine, prompt, _ANSWER_TOKENS)).ids
    except MeasureError as error:
        raise ConfigurationError(f"{_REFUSED}: with it, {model.title} does not answer: {error}") from error
    finally:
        await engine.close()


async def _count_right(draft_dir: Path, prompt: tuple[int, ...], answer: tuple[int, ...]) -> int:
    """Count at how many places of an answer the draft model, alone, chooses what the model chose.

    The engine's own count would not say it: it drafts from the conversation too, and only where that pays.
    """
    engine = EngineSupervisor(_engine_options(draft_dir))
    right = 0
    try:
        await engine.start()
        for place, token in enumerate(answer):
            with suppress(MeasureError):  # it cannot read what the model chose, so its draft is wrong
                right += (await generate(engine, prompt + answer[:place], 1)).ids == (token,)
    finally:
        await engine.close()
    return right


def _engine_options(model_dir: Path) -> EngineOptions:
    return EngineOptions("paged", model_dir, cache_gigabytes=_CACHE_GIGABYTES, max_batch=1)


@contextmanager
def _engine_warnings() -> Iterator[list[str]]:
    """Collect what the engine warns the operator of, which the export's log does not show."""
    lines: list[str] = []
    log = logging.getLogger(WARNINGS)
    level = log.level

    def keep(record: logging.LogRecord) -> bool:
        lines.append(record.getMessage())
        return False

    log.setLevel(logging.WARNING)
    log.addFilter(keep)
    try:
        yield lines
    finally:
        log.removeFilter(keep)
        log.setLevel(level)
