"""Faults that are still to happen to REST calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from bot.demo.loopback.api_calls import Limit
from bot.demo.loopback.faults.connections import ConnectionFault, HangingCalls
from bot.demo.loopback.faults.plan import Plan
from bot.demo.loopback.responses import code_of, json_response, proxy_error, rate_limited


class Outage(StrEnum):
    """What REST does in an outage."""

    RESET = "reset"
    """Every connection is reset."""
    UNAVAILABLE = "unavailable"
    """A proxy answers 503."""
    HANG = "hang"
    """No response comes; the calls are reset when the outage ends."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that replaces the real one. See `LoopbackDiscord.fail_next`."""

    status: int
    retry_after: float = 1.0
    code: int | None = None
    message: str | None = None
    limit: Limit = Limit.CHANNEL

    @property
    def kind_of_429(self) -> Limit | None:
        """The kind of 429 that it is, if it is one."""
        return self.limit if self.status == 429 else None

    @property
    def error_code(self) -> int:
        """Discord's error code in the body; 0 without one."""
        return self.code or (code_of(self.limit) if self.status == 429 else 0)

    def response(self) -> web.Response:
        """Build the response."""
        if self.status == 429:
            return rate_limited(self.limit, self.retry_after, code=self.code, message=self.message)
        if self.status >= 500 and self.code is None and self.message is None:
            return proxy_error(self.status)
        message = self.message or f"{self.status}: injected by a test"
        return json_response({"message": message, "code": self.code or 0}, self.status)


@dataclass(frozen=True, slots=True)
class BrokenConnection:
    """Something that happens to a call's connection. See `LoopbackDiscord.break_next`."""

    fault: ConnectionFault
    seconds: float = 0.0


RestFault = Refusal | BrokenConnection

_IN_OUTAGE: dict[Outage, RestFault] = {
    Outage.RESET: BrokenConnection(ConnectionFault.RESET),
    Outage.UNAVAILABLE: Refusal(503),
    Outage.HANG: BrokenConnection(ConnectionFault.HANG),
}


class RestFaults:
    """The faults that are still to happen to REST calls and downloads, and the outage if there is one.

    Attributes:
        outage: what every call gets, before all other faults.
        hanging: the calls that are not answered.
    """

    def __init__(self) -> None:
        self.outage: Outage | None = None
        self.hanging = HangingCalls()
        self._plan: Plan[RestFault] = Plan()

    def add(self, method: str, path_glob: str, times: int | None, fault: RestFault) -> None:
        """Plan a fault for the next `times` calls that match, or for all of them if None."""
        self._plan.add(f"{method} {path_glob}", times, fault)

    def take(self, method: str, path: str) -> RestFault | None:
        """Return what is to happen to a call, and count it."""
        if self.outage is not None:
            return _IN_OUTAGE[self.outage]
        return self._plan.take(f"{method} {path}")

    def clear(self) -> None:
        """Forget every fault but the outage, and reset the calls that hang."""
        self._plan.clear()
        self.hanging.release()

    def end_outage(self) -> None:
        """Let calls through again, and reset those that hang."""
        self.outage = None
        self.hanging.release()
