"""The model that answers: from its folder to its engine, and how another one takes its place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bot.core.answering import Answering
from bot.core.budget import Budget
from bot.core.context_window import ContextWindow
from bot.core.conversations import Conversations
from bot.core.prompt import Message, PromptBuilder
from bot.core.served_model import ServedModel
from bot.core.waiting_line import WaitingLine
from bot.engine.interface import EngineFacts, FinishReason, GenerationRequest
from bot.engine.process import EngineProcess
from bot.errors import ConfigurationError, ModelDoesNotFitError
from bot.model.folder import ModelFolder, open_model_folder
from bot.numbers import Numbers
from bot.settings import Settings

_PROBE_TOKENS = 8
_PROBE_SECONDS = 120.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could answer: what its folder says, and an engine for it that may not be loaded."""

    folder: ModelFolder
    engine: EngineProcess
    model: ServedModel


class Serving:
    """Owns the engines and lets one model answer at a time.

    Args:
        settings: what the person who runs the bot decided.
        conversations: what was said before.
        numbers: counts what happens.

    Raises:
        ConfigurationError: the model folder cannot be used, or the system prompt does not fit its context.
    """

    def __init__(self, settings: Settings, conversations: Conversations, numbers: Numbers) -> None:
        self._settings = settings
        self._numbers = numbers
        self._model_dir = settings.model_dir  # as it was given: a link may lead elsewhere by the next reload
        self._present = self._prepare(self._model_dir)
        self._farewells: set[asyncio.Task[None]] = set()
        self._replacing: asyncio.Task[str] | None = None
        model = self._present.model
        line = WaitingLine(
            # That engine has no batch: who waits inside it could not be told their place.
            most_running=1 if settings.engine == "optimum" else settings.max_batch,
            most_waiting=settings.max_waiting,
            most_waiting_per_person=settings.max_waiting_per_person,
        )
        self.answering = Answering(model, conversations, line, numbers)
        numbers.watch_engine(lambda: self.facts)

    @property
    def folder(self) -> ModelFolder:
        """The folder of the model that answers."""
        return self._present.folder

    @property
    def facts(self) -> EngineFacts | None:
        """What its engine says about itself; None while it is not loaded."""
        return self._present.engine.facts

    async def start(self, on_progress: Callable[[str], None]) -> None:
        """Load the model.

        Args:
            on_progress: called with a line for each phase.

        Raises:
            ConfigurationError: the engine cannot start.
        """
        if not self.can_stop:
            logger.warning(
                "The model in %s names no end token: its answers end only at their longest.", self.folder.path
            )
        facts = await self._present.engine.start(on_progress)
        self._let_answer(_within_cache(self._present))
        if facts.cache_tokens:
            size = f"{facts.cache_tokens:,} tokens, {facts.cache_bytes / 1e9:.2f} GB"
            logger.info("%s on %s; KV cache: %s", facts.engine, facts.device_name, size)

    @property
    def can_stop(self) -> bool:
        """Whether the model can end an answer by itself."""
        return any(token < self.folder.vocabulary_size for token in self._present.model.builder.stop_ids)

    async def replace(self, model_dir: Path | None = None) -> str:
        """Let the model in a folder take over. Conversations go on; if anything fails, the present model stays.

        Args:
            model_dir: the folder; None reads the present one's path again.

        Returns:
            a line that says how it went.

        Raises:
            ConfigurationError: the folder's model cannot be used. The present one goes on answering.
        """
        if self._replacing is not None:
            raise ConfigurationError("a model is being loaded already; wait until that is done")
        asked = model_dir or self._model_dir
        self._replacing = asyncio.create_task(self._replace(asked))
        try:
            line = await self._replacing
            self._model_dir = asked
            return line
        finally:
            self._replacing = None

    async def close(self) -> None:
        """End every engine."""
        tasks = [*self._farewells] if self._replacing is None else [self._replacing, *self._farewells]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._present.engine.close()

    def _prepare(self, model_dir: Path) -> Candidate:
        folder = open_model_folder(model_dir)
        settings, defaults = self._settings, folder.generation_defaults
        builder = PromptBuilder.from_folder(folder.path, folder.eos_token_ids)
        budget = Budget(folder.context_length, settings.max_new_tokens_for(defaults), settings.max_prompt_tokens)
        engine = self._engine_for(folder)
        sampling = settings.sampling_for(defaults)
        model = ServedModel(engine, builder, budget, sampling, settings.answer_time_limit_seconds)
        _check_system_prompt(model.window, settings.system_prompt)
        return Candidate(folder, engine, model)

    def _engine_for(self, folder: ModelFolder) -> EngineProcess:
        return EngineProcess(replace(self._settings.engine_options, model_dir=folder.path), self._numbers)

    def _with_new_engine(self, candidate: Candidate) -> Candidate:
        engine = self._engine_for(candidate.folder)
        return Candidate(candidate.folder, engine, replace(candidate.model, engine=engine))

    async def _replace(self, model_dir: Path) -> str:
        # In a thread, because a large tokenizer takes a second to read, and answers stream meanwhile.
        candidate = await asyncio.to_thread(self._prepare, model_dir)
        started = time.monotonic()
        try:
            await self._load_and_probe(candidate)
        except ModelDoesNotFitError:
            return await self._replace_with_pause(candidate)
        self._take_over(candidate)
        return f"{candidate.folder.name} answers now. It was loaded beside the old one in {_since(started)}."

    async def _load_and_probe(self, candidate: Candidate) -> None:
        """Load a candidate and let it answer once; end its engine if it does not."""
        try:
            await candidate.engine.start()
            await _probe(candidate.model)
        except BaseException:
            await candidate.engine.close()
            raise

    def _take_over(self, candidate: Candidate) -> None:
        old = self._present
        self._let_answer(_within_cache(candidate))
        farewell = asyncio.create_task(old.engine.retire())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    def _let_answer(self, candidate: Candidate) -> None:
        self._present = candidate
        self.answering.adopt(candidate.model)

    async def _replace_with_pause(self, candidate: Candidate) -> str:
        """Replace the model where memory holds one only: nobody's turn begins until the new one is there."""
        line, old = self.answering.line, self._present
        logger.warning("Memory holds one model only: answers pause while another is loaded.")
        line.pause()
        started = time.monotonic()
        try:
            await line.wait_until_nobody_runs()
            await old.engine.close()
            candidate = self._with_new_engine(candidate)  # the one that did not fit is of no more use
            try:
                await self._load_and_probe(candidate)
            except Exception:
                # Where it does not start either, the next question makes it try again.
                self._let_answer(self._with_new_engine(old))
                await self._present.engine.start()
                self._let_answer(_within_cache(self._present))
                raise
            self._take_over(candidate)
        finally:
            line.resume()
        pause = f"Memory holds one model only, so answers paused for {_since(started)}."
        return f"{candidate.folder.name} answers now. {pause}"


def _within_cache(candidate: Candidate) -> Candidate:
    """Where the loaded engine's cache is shorter than the model's context, conversations have to fit the cache."""
    facts, budget = candidate.engine.facts, candidate.model.budget
    if facts is None or not 0 < facts.cache_tokens < budget.context_length:
        return candidate
    logger.warning(
        "Memory allows %s tokens a conversation, of the model's %s.", facts.cache_tokens, budget.context_length
    )
    budget = replace(budget, context_length=facts.cache_tokens)
    return replace(candidate, model=replace(candidate.model, budget=budget))


async def _probe(model: ServedModel) -> None:
    prompt = model.builder.build([Message("user", "Say hello.")])
    generation = model.engine.submit(
        GenerationRequest(prompt.ids, model.builder.stop_ids, _PROBE_TOKENS, _PROBE_SECONDS, model.sampling)
    )
    async for _ in generation:
        pass
    outcome = generation.outcome
    if outcome is None or outcome.reason not in (FinishReason.STOP, FinishReason.LENGTH):
        raise ConfigurationError(
            f"the model does not answer a first question: {outcome and (outcome.detail or outcome.reason)}"
        )


def _check_system_prompt(window: ContextWindow, system_prompt: str) -> None:
    tokens, limit = window.system_prompt_tokens(system_prompt), window.budget.system_prompt_limit
    if tokens > limit:
        raise ConfigurationError(
            f"SYSTEM_PROMPT takes {tokens:,} tokens, more than half of the {window.budget.prompt_limit:,} that a "
            "prompt may have with this model; shorten it, or lower MAX_NEW_TOKENS"
        )


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"
