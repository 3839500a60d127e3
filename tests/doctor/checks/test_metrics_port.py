"""The metrics port: free, taken, or served by the running bot."""

from __future__ import annotations

import socket

from bot.doctor.checks.metrics_port import check_metrics_port
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.server import Health, MonitoringServer
from bot.settings import load_settings
from tests.doctor.found import found


async def check(**values: str) -> tuple[str, str, str]:
    [only] = found(await check_metrics_port(load_settings(env_file=None, **values)), "metrics port")
    return only


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_none_is_needed() -> None:
    assert await check() == ("ok", "none is set, so no metrics are served", "")


async def test_a_free_one() -> None:
    port = free_port()
    assert await check(metrics_port=str(port)) == ("ok", f"port {port} of 127.0.0.1 is free", "")


async def test_one_that_another_program_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(0)  # it never answers
        result, line, way_out = await check(metrics_port=str(port))
    assert (result, line) == ("error", f"port {port} of 127.0.0.1 is taken by another program")
    assert way_out.startswith("set METRICS_PORT to another")


async def test_one_that_the_running_bot_serves() -> None:
    port = free_port()
    details = {"engine_restarts": 0}
    server = MonitoringServer(PrometheusMetrics(), lambda: Health(False, details), host="127.0.0.1", port=port)
    await server.start()
    result, line, _ = await check(metrics_port=str(port))
    await server.close()
    assert (result, line) == ("ok", f"the running bot serves metrics on port {port} of 127.0.0.1")


async def test_an_address_of_another_machine() -> None:
    result, line, way_out = await check(metrics_port=str(free_port()), metrics_host="192.0.2.1")
    assert (result, "this machine does not have that address" in line) == ("error", True)
    assert "METRICS_HOST" in way_out
