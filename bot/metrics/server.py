"""An HTTP server for monitoring: metrics for Prometheus, and a health check."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.ports import port_refusal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a health check.

    Attributes:
        ok: whether the bot can answer.
        details: for the response, by name.
    """

    ok: bool
    details: Mapping[str, str | int | float | bool | None]


class MonitoringServer:
    """Serves `/metrics` in Prometheus's formats and `/healthz`, which returns 200 or 503.

    It needs no authentication, and its responses contain no texts, names, ids or paths. A host that other machines can
    reach is logged with a warning.

    Args:
        metrics: for `/metrics`.
        health: called at every `/healthz`, in the event loop's thread.
        host: an address or name of this machine, such as `127.0.0.1`.
        port: 0 for any free one.
    """

    def __init__(self, metrics: PrometheusMetrics, health: Callable[[], Health], *, host: str, port: int) -> None:
        self._metrics = metrics
        self._health = health
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Start listening.

        Raises:
            ConfigurationError: the port is taken, or the host is not one of this machine's.
        """
        application = web.Application()
        application.router.add_get("/metrics", make_aiohttp_handler(self._metrics.registry))
        application.router.add_get("/healthz", self._healthz)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except (OSError, UnicodeError) as error:  # an invalid host name is a UnicodeError
            await runner.cleanup()
            raise ConfigurationError(listening_refusal(self._host, self._port, error)) from error
        self._runner = runner
        if not all(ip_address(address[0]).is_loopback for address in runner.addresses):
            logger.warning(
                "Metrics are open to the network: whoever reaches this address sees without a password how many "
                "questions the bot answers and how fast, but no texts; set METRICS_HOST=127.0.0.1 to keep them on this "
                "machine, or put a proxy with a password before it url=%s",
                self.url,
            )

    async def close(self) -> None:
        """Stop listening. Safe to call twice, and without a start."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """The running server's URL without a path, such as `http://127.0.0.1:9464`."""
        assert self._runner is not None  # only a running server has a URL
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def _healthz(self, _request: web.Request) -> web.Response:
        try:
            health = self._health()
        except Exception:
            # Parts of the bot are gone while it shuts down.
            logger.warning("Health check failed", exc_info=True)
            health = Health(False, {})
        return web.json_response({"ok": health.ok, **health.details}, status=200 if health.ok else 503)


def listening_refusal(host: str, port: int, error: OSError | UnicodeError) -> str:
    """The error line for a server that cannot listen, with the settings that lead elsewhere."""
    return (
        f"{port_refusal(host, port, error)}; set METRICS_PORT to another, or leave it empty to serve no metrics; "
        "METRICS_HOST must be an address of this machine, such as 127.0.0.1"
    )
