"""Serves one model at a time, and replaces it while the bot runs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bot.answering.queue import QuestionQueue
from bot.answering.service import AnswerService
from bot.conversation.conversations import Conversations
from bot.engine.interface import EngineFacts
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError, ModelDoesNotFitError, ServerUnreachableError
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.folder import ModelFolder, open_model_folder, read_choice, verify_model_folder
from bot.model.start_order import RefusedVersion, StartOrder
from bot.model.tokenizer_folder import open_tokenizer_folder
from bot.serving.engine_caches import EngineCaches
from bot.serving.model_instance import ModelInstance
from bot.serving.ready_line import ready_line
from bot.settings import Settings

logger = logging.getLogger(__name__)


class ModelService:
    """Owns the engines, of which one answers. In an event loop, `open` it: reading a model's files takes a while.

    Args:
        settings: the operator's.
        conversations: of the bot.
        metrics: of the bot.
        closed: set it to make a constructor in another thread raise soon.

    Raises:
        ConfigurationError: no version in the model folder can be used, or the system prompt does not fit its context.

    Attributes:
        answering: turns questions into answers.
        model_dir: the served folder, as it was given: a link may lead elsewhere at the next reload.
        refusal: why the version that the pointer names does not answer; None if it does.
    """

    def __init__(
        self,
        settings: Settings,
        conversations: Conversations,
        metrics: PrometheusMetrics,
        closed: threading.Event | None = None,
    ) -> None:
        self._closed = closed or threading.Event()
        self._settings = settings
        self._metrics = metrics
        self.model_dir = settings.model_dir
        self.refusal: RefusedVersion | None = None
        options = settings.engine_options
        self._open_folder = open_tokenizer_folder if options.engine == "openai" else open_model_folder
        self._caches = EngineCaches(options, self._engines)
        self._start_order = StartOrder(self.model_dir)
        self._current = self._start_order.next_usable(self._prepare)
        self._retiring: dict[asyncio.Task[None], EngineSupervisor] = {}
        self._loading: set[EngineSupervisor] = set()
        self._replacing: asyncio.Task[str] | None = None
        queue = QuestionQueue(
            # optimum has no batch: a question that waits inside the engine would have no position.
            most_running=1 if settings.engine == "optimum" else settings.max_batch,
            most_waiting=settings.max_waiting,
            most_waiting_per_person=settings.max_waiting_per_person,
        )
        self.answering = AnswerService(self._current.model, conversations, queue, metrics)
        metrics.watch_engine(lambda: self.facts)
        conversations.pass_erasures_to(self._caches.erase)

    @classmethod
    async def open(cls, settings: Settings, conversations: Conversations, metrics: PrometheusMetrics) -> ModelService:
        """Construct a service in a thread. A cancellation stops that at once."""
        closed = threading.Event()
        try:
            return await asyncio.to_thread(cls, settings, conversations, metrics, closed)
        except asyncio.CancelledError:
            closed.set()
            raise

    @property
    def folder(self) -> ModelFolder:
        """The folder of the model that answers."""
        return self._current.folder

    @property
    def folders(self) -> dict[str, Path | None]:
        """The folders that the operator set, by the names of their settings."""
        return {"MODEL_DIR": self.model_dir, "DRAFT_MODEL_DIR": self._settings.draft_model_dir}

    @property
    def facts(self) -> EngineFacts | None:
        """What its engine reports about itself; None while it is not loaded."""
        return self._current.engine.facts

    @property
    def is_replacing(self) -> bool:
        """Whether another model is loading."""
        return self._replacing is not None

    @property
    def can_stop(self) -> bool:
        """Whether the model can end an answer by itself."""
        return any(token < self.folder.vocabulary_size for token in self._current.model.builder.stop_ids)

    async def start(self, on_progress: Callable[[str], None]) -> None:
        """Load the current version, or the latest one before it that works.

        Args:
            on_progress: called with a line for each phase.

        Raises:
            ConfigurationError: none works; the message is the current version's.
            ServerUnreachableError: no server answers for any of them.
        """
        facts = await self._start_engine(on_progress)
        self._serve_within_engine(self._current)
        if self._start_order.refusals:
            self.refusal = RefusedVersion(self._start_order.choice, str(self._start_order.refusals[0]))
            version, reason = self.refusal.choice.folder.name, self.refusal.reason
            logger.warning("Version refused: version=%s serving=%s reason=%s", version, self.folder.title, reason)
        if not self.can_stop:
            logger.warning("Model without stop tokens, answers end at their longest: folder=%s", self.folder.path)
        logger.info("%s", ready_line(facts))

    async def replace(self, model_dir: Path | None = None) -> str:
        """Load a folder's model and let it take over. Conversations continue; after a failure the old model stays.

        A folder with a manifest is verified file by file before the engine loads it, as at the start.

        Args:
            model_dir: the folder, of whose versions the current one is loaded; None reads the served path again.

        Returns:
            a line that says how it went.

        Raises:
            ConfigurationError: the model cannot be used, or another one is loading.
        """
        if self.is_replacing:
            raise ConfigurationError("another model is loading; wait until it answers, then try again")
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
        retiring = dict(self._retiring)
        # Not cancelled: a retirement may be ending its process already, which would then be left behind.
        await asyncio.gather(*(engine.close() for engine in (self._current.engine, *retiring.values())))
        await asyncio.gather(*retiring)

    async def _start_engine(self, on_progress: Callable[[str], None]) -> EngineFacts:
        while True:
            try:
                return await self._load_current(on_progress)
            except ServerUnreachableError:
                raise  # the servers' fault, and no version's
            except ConfigurationError as error:
                self._start_order.refusals.append(error)
                await self._current.engine.close()
                self._serve(await asyncio.to_thread(self._start_order.next_usable, self._prepare))

    async def _load_current(self, on_progress: Callable[[str], None]) -> EngineFacts:
        # Verified while the engine loads, so that the files are read from the disk once.
        verifying = asyncio.to_thread(self._verify, self._current.folder)
        facts, _ = await asyncio.gather(self._current.load_and_probe(on_progress), verifying)
        return facts

    def _verify(self, folder: ModelFolder) -> None:
        if folder.has_weights:
            verify_model_folder(folder.path, self._require_open)

    def _require_open(self, _file: str = "") -> None:
        if self._closed.is_set():
            raise ConfigurationError("the bot is shutting down")

    def _prepare(self, model_dir: Path) -> ModelInstance:
        return self._instance(self._open_folder(model_dir))

    def _prepare_verified(self, model_dir: Path) -> ModelInstance:
        folder = self._open_folder(model_dir)
        self._verify(folder)
        return self._instance(folder)

    def _instance(self, folder: ModelFolder) -> ModelInstance:
        return ModelInstance.prepare(folder, self._engine_for(folder), self._settings, self._require_open)

    def _engine_for(self, folder: ModelFolder) -> EngineSupervisor:
        options = replace(self._settings.engine_options, model_dir=folder.path)
        return EngineSupervisor(options, self._metrics.of_engine(), self._caches.held_messages)

    def _engines(self) -> set[EngineSupervisor]:
        return {self._current.engine, *self._retiring.values(), *self._loading}

    async def _replace(self, model_dir: Path) -> str:
        choice = await asyncio.to_thread(read_choice, model_dir)
        try:
            line = await self._load_and_take_over(model_dir)
        except Exception as error:
            if model_dir == self.model_dir and choice.has_versions:
                self.refusal = RefusedVersion(choice, str(error))
            raise
        self.model_dir, self.refusal = model_dir, None
        return line

    async def _load_and_take_over(self, model_dir: Path) -> str:
        # In a thread: reading a large tokenizer takes a second, and answers stream meanwhile.
        instance = await asyncio.to_thread(self._prepare_verified, model_dir)
        started = time.monotonic()
        try:
            await self._load(instance)
        except ModelDoesNotFitError:
            started = time.monotonic()
            await self._unload_and_take_over(instance)
            how = f"Memory holds one model only, so answers paused for {_since(started)}."
        else:
            self._take_over(instance)
            how = f"It was loaded beside the old one in {_since(started)}."
        return f"{instance.folder.title} answers now. {how}"

    async def _load(self, instance: ModelInstance) -> None:
        self._loading.add(instance.engine)
        try:
            await instance.load_and_probe()
        finally:
            self._loading.remove(instance.engine)

    async def _unload_and_take_over(self, instance: ModelInstance) -> None:
        """Replace the model where memory holds only one: unload the old one first."""
        logger.warning(
            "Memory holds one model only, answers pause while another loads: model=%s", instance.folder.title
        )
        async with self._queue_paused():
            old = self._current
            await old.engine.close()
            instance = self._with_new_engine(instance)  # the first try closed its engine
            try:
                await self._load(instance)
            except Exception:
                await self._restore(old)
                raise
            self._take_over(instance)

    @asynccontextmanager
    async def _queue_paused(self) -> AsyncIterator[None]:
        """No question is running, and none starts."""
        queue = self.answering.queue
        queue.pause()
        try:
            await queue.wait_until_nobody_runs()
            yield
        finally:
            queue.resume()

    async def _restore(self, old: ModelInstance) -> None:
        # Served before it is loaded: if this load fails too, the next question makes the engine try again.
        self._serve(self._with_new_engine(old))
        await self._current.engine.start()
        self._serve_within_engine(self._current)

    def _with_new_engine(self, instance: ModelInstance) -> ModelInstance:
        return instance.with_engine(self._engine_for(instance.folder))

    def _take_over(self, instance: ModelInstance) -> None:
        old = self._current
        self._serve_within_engine(instance)
        retirement = asyncio.create_task(old.engine.retire())
        self._retiring[retirement] = old.engine
        retirement.add_done_callback(self._retiring.pop)

    def _serve_within_engine(self, instance: ModelInstance) -> None:
        """Serve a loaded model with the context that its engine has for it."""
        instance.log_what_is_cut()
        self._serve(instance.within_engine())

    def _serve(self, instance: ModelInstance) -> None:
        self._current = instance
        self.answering.adopt(instance.model)


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"
