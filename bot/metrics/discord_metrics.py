"""Whether Discord can be used, and what it says to the bot's requests."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

_INITIAL_STATUSES = ("200", "403", "429", "500", "502", "503", "none")


class DiscordMetrics:
    """The connection to Discord and the responses of its REST API."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connected = Gauge(
            "phi3_discord_connected", "1 while the bot is on Discord, otherwise 0.", registry=registry
        )
        self._responses = Counter(
            "phi3_discord_responses_total",
            "Responses of Discord's REST API, by status; `none` counts requests that got no response.",
            ["status"],
            registry=registry,
        )
        # Start these series at 0: Prometheus's rate() misses an event that creates its series.
        for status in _INITIAL_STATUSES:
            self._responses.labels(status)

    def watch(self, is_connected: Callable[[], bool]) -> None:
        """Register where each scrape gets whether the bot is on Discord."""
        self._connected.set_function(is_connected)

    def responded(self, status: int | None) -> None:
        """Discord answered a request with this status; None: it did not answer."""
        self._responses.labels("none" if status is None else str(status)).inc()
