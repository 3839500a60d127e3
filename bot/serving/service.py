"""The model that answers: from its folder to its engine, and how another one takes its place."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bot.answering.queue import QuestionQueue
from bot.answering.service import AnswerService
from bot.conversation.conversations import Conversations
from bot.engine.interface import EngineFacts
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError, ModelDoesNotFitError
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.folder import ModelFolder, open_model_folder, read_choice, verify_model_folder
from bot.model.start_order import StartOrder
from bot.model.versions import Choice
from bot.serving.model_instance import ModelInstance
from bot.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefusedVersion:
    """A version that the pointer names and that does not answer.

    Attributes:
        choice: what the pointer said.
        reason: why it could not be used, in one line.
    """

    choice: Choice
    reason: str


class ModelService:
    """Owns the engines and lets one model answer at a time.

    Args:
        settings: what the person who runs the bot decided.
        conversations: what was said before.
        metrics: counts what happens.

    Raises:
        ConfigurationError: no version in the model folder can be used, or the system prompt does not fit its context.

    Attributes:
        answering: turns questions into answers.
        model_dir: the folder whose model is served, as it was given: a link may lead elsewhere by the next reload.
        refusal: why another version answers than the one that the pointer names; None while nothing was refused.
    """

    def __init__(self, settings: Settings, conversations: Conversations, metrics: PrometheusMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.model_dir = settings.model_dir
        self.refusal: RefusedVersion | None = None
        self._start_order = StartOrder(self.model_dir)
        self._present = self._start_order.next_usable(self._prepare)
        self._farewells: dict[asyncio.Task[None], EngineSupervisor] = {}
        self._replacing: asyncio.Task[str] | None = None
        self._closed = threading.Event()
        model = self._present.model
        queue = QuestionQueue(
            # That engine has no batch: who waits inside it could not be told their place.
            most_running=1 if settings.engine == "optimum" else settings.max_batch,
            most_waiting=settings.max_waiting,
            most_waiting_per_person=settings.max_waiting_per_person,
        )
        self.answering = AnswerService(model, conversations, queue, metrics)
        metrics.watch_engine(lambda: self.facts)

    @property
    def folder(self) -> ModelFolder:
        """The folder of the model that answers."""
        return self._present.folder

    @property
    def facts(self) -> EngineFacts | None:
        """What its engine says about itself; None while it is not loaded."""
        return self._present.engine.facts

    @property
    def is_replacing(self) -> bool:
        """Whether another model is being loaded now."""
        return self._replacing is not None

    async def start(self, on_progress: Callable[[str], None]) -> None:
        """Load the model: the current version, or the latest before it that can be used.

        Args:
            on_progress: called with a line for each phase.

        Raises:
            ConfigurationError: the engine starts with none of them; why not with the first.
        """
        facts = await self._start_engine(on_progress)
        self._let_answer(self._present.within_cache())
        if self._start_order.refusals:
            self.refusal = RefusedVersion(self._start_order.choice, str(self._start_order.refusals[0]))
            refused = self.refusal.choice.folder.name
            logger.warning("%s answers, not the version %s: %s", self.folder.title, refused, self.refusal.reason)
        if not self.can_stop:
            logger.warning(
                "The model in %s names no end token: its answers end only at their longest.", self.folder.path
            )
        if facts.cache_tokens:
            size = f"{facts.cache_tokens:,} tokens, {facts.cache_bytes / 1e9:.2f} GB"
            logger.info("%s on %s; KV cache: %s", facts.engine, facts.device_name, size)

    @property
    def can_stop(self) -> bool:
        """Whether the model can end an answer by itself."""
        return any(token < self.folder.vocabulary_size for token in self._present.model.builder.stop_ids)

    async def replace(self, model_dir: Path | None = None) -> str:
        """Let the model in a folder take over. Conversations go on; if anything fails, the present model stays.

        Where the folder has a manifest, every file is compared with it before the engine is loaded; so it is at the
        start.

        Args:
            model_dir: the folder; None reads the present one's path again. Of several versions in it, the current
                one is taken.

        Returns:
            a line that says how it went.

        Raises:
            ConfigurationError: the folder's model cannot be used. The present one goes on answering.
        """
        if self.is_replacing:
            raise ConfigurationError("a model is being loaded already; wait until that is done")
        self._replacing = asyncio.create_task(self._replace(model_dir or self.model_dir))
        try:
            return await self._replacing
        finally:
            self._replacing = None

    async def close(self) -> None:
        """End every engine."""
        self._closed.set()
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        farewells = dict(self._farewells)
        # A farewell is not cancelled: it may be ending its process already, which would then be left behind.
        await asyncio.gather(*(engine.close() for engine in (self._present.engine, *farewells.values())))
        await asyncio.gather(*farewells)

    async def _start_engine(self, on_progress: Callable[[str], None]) -> EngineFacts:
        while True:
            try:
                return await self._load_present(on_progress)
            except ConfigurationError as error:
                self._start_order.refusals.append(error)
                await self._present.engine.close()
                self._let_answer(await asyncio.to_thread(self._start_order.next_usable, self._prepare))

    async def _load_present(self, on_progress: Callable[[str], None]) -> EngineFacts:
        # While the engine loads: both read the same files from the disk.
        verifying = asyncio.to_thread(self._verify, self._present.folder)
        facts, _ = await asyncio.gather(self._present.engine.start(on_progress), verifying)
        return facts

    def _verify(self, folder: ModelFolder) -> None:
        verify_model_folder(folder.path, self._require_open)

    def _require_open(self, _file: str) -> None:
        if self._closed.is_set():
            raise ConfigurationError("the bot is being ended")

    def _prepare(self, model_dir: Path) -> ModelInstance:
        return self._instance(open_model_folder(model_dir))

    def _prepare_verified(self, model_dir: Path) -> ModelInstance:
        folder = open_model_folder(model_dir)
        self._verify(folder)
        return self._instance(folder)

    def _instance(self, folder: ModelFolder) -> ModelInstance:
        return ModelInstance.prepare(folder, self._engine_for(folder), self._settings)

    def _engine_for(self, folder: ModelFolder) -> EngineSupervisor:
        return EngineSupervisor(replace(self._settings.engine_options, model_dir=folder.path), self._metrics)

    def _with_new_engine(self, instance: ModelInstance) -> ModelInstance:
        return instance.with_engine(self._engine_for(instance.folder))

    async def _replace(self, model_dir: Path) -> str:
        choice = await asyncio.to_thread(read_choice, model_dir)
        try:
            line = await self._load_another(model_dir)
        except Exception as error:
            if model_dir == self.model_dir and choice.has_versions:
                self.refusal = RefusedVersion(choice, str(error))
            raise
        self.model_dir, self.refusal = model_dir, None
        return line

    async def _load_another(self, model_dir: Path) -> str:
        # In a thread, because a large tokenizer takes a second to read, and answers stream meanwhile.
        instance = await asyncio.to_thread(self._prepare_verified, model_dir)
        started = time.monotonic()
        try:
            await instance.load_and_probe()
        except ModelDoesNotFitError:
            return await self._replace_with_pause(instance)
        self._take_over(instance)
        return f"{instance.folder.title} answers now. It was loaded beside the old one in {_since(started)}."

    def _take_over(self, instance: ModelInstance) -> None:
        old = self._present
        self._let_answer(instance.within_cache())
        farewell = asyncio.create_task(old.engine.retire())
        self._farewells[farewell] = old.engine
        farewell.add_done_callback(self._farewells.pop)

    def _let_answer(self, instance: ModelInstance) -> None:
        self._present = instance
        self.answering.adopt(instance.model)

    async def _replace_with_pause(self, instance: ModelInstance) -> str:
        """Replace the model where memory holds one only: nobody's turn begins until the new one is there."""
        queue, old = self.answering.queue, self._present
        logger.warning("Memory holds one model only: answers pause while another is loaded.")
        queue.pause()
        started = time.monotonic()
        try:
            await queue.wait_until_nobody_runs()
            await old.engine.close()
            instance = self._with_new_engine(instance)  # the one that did not fit is of no more use
            try:
                await instance.load_and_probe()
            except Exception:
                # Where it does not start either, the next question makes it try again.
                self._let_answer(self._with_new_engine(old))
                await self._present.engine.start()
                self._let_answer(self._present.within_cache())
                raise
            self._take_over(instance)
        finally:
            queue.resume()
        pause = f"Memory holds one model only, so answers paused for {_since(started)}."
        return f"{instance.folder.title} answers now. {pause}"


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"
