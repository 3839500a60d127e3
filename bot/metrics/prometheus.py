"""The bot's metrics in a Prometheus registry.

Each bot has a registry of its own: the library's global one would mix several bots in one process.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.engine.interface import EngineFacts
from bot.engine.observer import BatchState, EngineObserver
from bot.metrics.discord_metrics import DiscordMetrics
from bot.metrics.estimates import EstimateHistograms
from bot.metrics.process_metrics import ProcessMetrics

logger = logging.getLogger(__name__)

# From a small model on a fast processor to a full context on a slow one.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_TOKENS_PER_SECOND = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200)

_INITIAL_REASONS = ("cancelled", "failed")
_RESTART_CAUSES = ("crashed", "hung")


class PrometheusMetrics:
    """The metrics of one bot since it started. Use it in the event loop's thread only.

    Implements `bot.metrics.port.AnswerMetrics`; `of_engine` gives each engine its observer. Labels must have few
    values, because each becomes a time series, and never a member's text.

    Attributes:
        registry: holds all of these metrics.
        discord: what Discord says.
        disk_used_bytes: what the disk cache held after the engine's latest step.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.disk_used_bytes = 0
        self.discord = DiscordMetrics(self.registry)
        self._processes = ProcessMetrics(self.registry)
        self._answer_metrics()
        self._waiting_estimates = EstimateHistograms(self.registry, "waiting", "a question's wait for its turn")
        self._prefill_estimates = EstimateHistograms(self.registry, "prefill", "a prompt's prefill")
        self._prompt_metrics()
        self._engine_metrics()
        self._database_metrics()
        # Start these series at 0: Prometheus's rate() misses an event that creates its series.
        for reason in _INITIAL_REASONS:
            self._answers.labels(reason)
        for cause in _RESTART_CAUSES:
            self._restarts.labels(cause)

    def _answer_metrics(self) -> None:
        self._running = Gauge(
            "phi3_answers_running", "Answers that the engine is generating now.", registry=self.registry
        )
        self._waiting = Gauge("phi3_queue_length", "Questions in the queue now.", registry=self.registry)
        self._queue_wait = Histogram(
            "phi3_queue_wait_seconds",
            "Seconds from a question's arrival until it left the queue.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "phi3_answers_refused_total",
            "Questions refused on arrival, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._first_token = Histogram(
            "phi3_time_to_first_token_seconds",
            "Seconds from a question's arrival to the first token of its answer, including the queue.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._answers = Counter(
            "phi3_answers_total", "Answers that ended, by reason.", ["reason"], registry=self.registry
        )
        self._generated = Counter(
            "phi3_generated_tokens_total", "Tokens generated for answers that ended.", registry=self.registry
        )
        self._speed = Histogram(
            "phi3_tokens_per_second",
            "Tokens per second of each answer, from its first token to its last.",
            buckets=_TOKENS_PER_SECOND,
            registry=self.registry,
        )

    def _prompt_metrics(self) -> None:
        self._prompt_tokens = Counter(
            "phi3_prompt_tokens_total",
            "Tokens of prompts, including those from the prefix cache.",
            registry=self.registry,
        )
        self._cached_tokens = Counter(
            "phi3_prompt_tokens_cached_total",
            "Tokens of prompts from the caches; divided by phi3_prompt_tokens_total, the hit rate.",
            registry=self.registry,
        )
        self._disk_tokens = Counter(
            "phi3_prompt_tokens_from_disk_total",
            "Those of phi3_prompt_tokens_cached_total that were loaded from the disk cache.",
            registry=self.registry,
        )

    def _database_metrics(self) -> None:
        self._database_outage = Gauge(
            "phi3_database_trouble", "1 during an outage of the database, otherwise 0.", registry=self.registry
        )

    def database_outage(self, reason: str | None) -> None:
        """An outage of the database began for this reason; None: it is over."""
        self._database_outage.set(reason is not None)

    def _engine_metrics(self) -> None:
        self._restarts = Counter(
            "phi3_engine_restarts_total",
            "Restarts of the engine process after a crash or a hang, by cause.",
            ["cause"],
            registry=self.registry,
        )
        self._loaded = Gauge(
            "phi3_engine_loaded", "1 while the engine has a model loaded, otherwise 0.", registry=self.registry
        )
        self._batch = Gauge("phi3_batch_size", "Requests in the engine's latest step.", registry=self.registry)
        self._cache_used = Gauge(
            "phi3_kv_cache_used_ratio", "Part of the KV cache in use, from 0 to 1.", registry=self.registry
        )
        self._cache_tokens = Gauge(
            "phi3_kv_cache_tokens", "Capacity of the KV cache in tokens.", registry=self.registry
        )
        self._disk_limit = Gauge(
            "phi3_disk_cache_limit_bytes", "Upper bound of the disk cache; 0 without one.", registry=self.registry
        )
        self._disk_used = Gauge("phi3_disk_cache_used_bytes", "What the disk cache holds.", registry=self.registry)
        self._disk_written = Gauge(
            "phi3_disk_cache_written_bytes",
            "What was written to the disk cache since the engine was loaded.",
            registry=self.registry,
        )
        self._drafted = Counter(
            "phi3_draft_tokens_total", "Tokens drafted as the next ones of answers.", registry=self.registry
        )
        self._accepted = Counter(
            "phi3_draft_tokens_accepted_total",
            "Those of phi3_draft_tokens_total that became part of an answer; divided by it, the acceptance.",
            registry=self.registry,
        )

    def answer_began(self, waited_seconds: float) -> None:
        """An answer went to the engine, this long after its question arrived."""
        self._queue_wait.observe(waited_seconds)

    def waiting_ended(self, estimated_seconds: float, seconds: float) -> None:
        """A question left the queue, this long after the first estimate of that."""
        self._waiting_estimates.observe(estimated_seconds, seconds)

    def prefill_ended(self, estimated_seconds: float, seconds: float) -> None:
        """An answer produced its first token, this long after the estimate of its prompt's prefill."""
        self._prefill_estimates.observe(estimated_seconds, seconds)

    def answer_refused(self, reason: str) -> None:
        """A question was refused on arrival, for a reason such as `queue full`."""
        self._refused.labels(reason).inc()

    def first_token(self, seconds: float) -> None:
        """An answer produced its first token, this long after its question arrived."""
        self._first_token.observe(seconds)

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """An answer ended.

        Args:
            reason: a `bot.engine.interface.FinishReason`.
            tokens: how many the model generated.
            seconds: from the first token to the last, which is the time of all but the first. Fewer than two tokens
                have no speed.
        """
        self._answers.labels(reason).inc()
        self._generated.inc(tokens)
        if tokens > 1 and seconds > 0:
            self._speed.observe((tokens - 1) / seconds)

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """The engine read a prompt; `cached` of its tokens came from the caches, `from_disk` of these from the disk."""
        self._prompt_tokens.inc(tokens)
        self._cached_tokens.inc(cached)
        self._disk_tokens.inc(from_disk)

    def engine_restarted(self, cause: str) -> None:
        """The engine process was restarted because it `crashed` or `hung`."""
        self._restarts.labels(cause).inc()

    def engine_stepped(self, state: BatchState, before: BatchState) -> None:
        """The engine made a step with this batch and this use of its caches.

        Args:
            before: the state after the same process's step before this one.
        """
        self._batch.set(state.batch)
        self._cache_used.set(state.cache_used)
        self._disk_used.set(state.disk_used_bytes)
        self._disk_written.set(state.disk_written_bytes)
        self._drafted.inc(state.drafted_tokens - before.drafted_tokens)
        self._accepted.inc(state.accepted_tokens - before.accepted_tokens)
        self.disk_used_bytes = state.disk_used_bytes

    def of_engine(self) -> EngineObserver:
        """Return the observer for one engine; while a model takes over from another, there are two."""
        return _EngineMetrics(self)

    def watch_engine(self, facts: Callable[[], EngineFacts | None]) -> None:
        """Register where each scrape gets the engine's facts; None while no model is loaded."""
        self._processes.watch_engine(facts)
        self._loaded.set_function(_or_nan(lambda: int(facts() is not None)))
        self._cache_tokens.set_function(_or_nan(lambda: known.cache_tokens if (known := facts()) else 0))
        self._disk_limit.set_function(_or_nan(lambda: known.disk_cache_bytes if (known := facts()) else 0))

    def watch_queue(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Register where each scrape gets the number of running answers and of waiting questions.

        An exception is logged, and the metric becomes NaN, Prometheus's value for the unknown.
        """
        self._running.set_function(_or_nan(running))
        self._waiting.set_function(_or_nan(waiting))

    @property
    def prefix_hit_rate(self) -> float | None:
        """The part of all prompt tokens that came from the caches, from 0 to 1; None before the first prompt."""
        tokens = _count(self._prompt_tokens)
        return _count(self._cached_tokens) / tokens if tokens else None

    @property
    def disk_hit_rate(self) -> float | None:
        """The part of all prompt tokens that was loaded from the disk cache, like `prefix_hit_rate`."""
        tokens = _count(self._prompt_tokens)
        return _count(self._disk_tokens) / tokens if tokens else None

    @property
    def drafted_tokens(self) -> int:
        """How many tokens were drafted."""
        return _count(self._drafted)

    @property
    def acceptance(self) -> float | None:
        """The part of all drafted tokens that became part of an answer, from 0 to 1; None before the first draft."""
        drafted = self.drafted_tokens
        return _count(self._accepted) / drafted if drafted else None

    @property
    def restarts(self) -> int:
        """How often the engine process was restarted."""
        return _count(self._restarts)


class _EngineMetrics:
    """One engine's events. Its process counts drafts from 0, and so does the next one after a crash."""

    def __init__(self, metrics: PrometheusMetrics) -> None:
        self._metrics = metrics
        self._counted = BatchState()

    def engine_stepped(self, state: BatchState) -> None:
        """Record the state, and count what was drafted since the step before."""
        self._metrics.engine_stepped(state, self._counted)
        self._counted = state

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Count a prompt's tokens."""
        self._metrics.prompt_read(tokens, cached, from_disk)

    def engine_restarted(self, cause: str) -> None:
        """Count a restart."""
        self._counted = BatchState()
        self._metrics.engine_restarted(cause)


def _count(counter: Counter) -> int:
    """A counter's value, summed over its labels."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(int(sample.value) for sample in samples if sample.name.endswith("_total"))


def _or_nan(read: Callable[[], int]) -> Callable[[], float]:
    def value() -> float:
        try:
            return read()
        except Exception:
            # Parts of the bot are gone while it shuts down; the scrape must still get the other metrics.
            logger.warning("Metric cannot be read", exc_info=True)
            return math.nan

    return value
