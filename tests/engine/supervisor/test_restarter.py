"""What passes by itself is tried again without a request, and anything else is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bot.engine.interface import EngineFacts
from bot.engine.supervisor import restarter
from bot.engine.supervisor.restarter import Restarter
from bot.errors import ConfigurationError, ModelDoesNotFitError, ServerUnreachableError

FACTS = EngineFacts("paged", "CPU", "a processor", 1.0, datetime.now(UTC), process_id=7, context_tokens=4096)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.0))
    monkeypatch.setattr(restarter, "RETRY_SECONDS", 0.01)


class _Launches:
    """Fails this many times, and then starts."""

    def __init__(self, error: ConfigurationError, times: int) -> None:
        self._errors: Iterator[ConfigurationError] = iter([error] * times)
        self.started = asyncio.Event()

    async def launch(self) -> EngineFacts:
        for error in self._errors:
            raise error
        self.started.set()
        return FACTS


@pytest.mark.parametrize("error", [ModelDoesNotFitError("no memory"), ServerUnreachableError("no server")])
async def test_a_cause_that_passes_is_waited_for(error: ConfigurationError) -> None:
    launches, given_up = _Launches(error, 5), list[str]()
    restarts = Restarter(launches.launch, given_up.append)
    restarts.begin()
    async with asyncio.timeout(5):
        await launches.started.wait()
    assert given_up == [str(error)] * 4  # after the first two attempts, and after each one alone
    await restarts.close()


async def test_another_cause_waits_for_a_request() -> None:
    given_up = asyncio.Queue[str]()
    launches = _Launches(ConfigurationError("no model"), 2)
    restarts = Restarter(launches.launch, given_up.put_nowait)
    restarts.begin()
    async with asyncio.timeout(5):
        assert await given_up.get() == "no model"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(launches.started.wait(), 0.05)  # five times as long as until another attempt
        restarts.begin()
        await launches.started.wait()
    await restarts.close()


async def test_a_request_ends_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarter, "RETRY_SECONDS", 600.0)
    given_up = asyncio.Queue[str]()
    launches = _Launches(ServerUnreachableError("no server"), 2)
    restarts = Restarter(launches.launch, given_up.put_nowait)
    restarts.begin()
    async with asyncio.timeout(5):
        await given_up.get()
        restarts.begin()
        await launches.started.wait()
    await restarts.close()
