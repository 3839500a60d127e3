"""What a check is, what it finds, and how it is run: within a time limit, and never with a traceback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from bot.errors import ConfigurationError

Value = TypeVar("Value")


class Result(StrEnum):
    """How something that was checked is."""

    OK = "ok"
    SKIPPED = "skipped"
    """Not checked; the line says why."""
    WARNING = "warning"
    """The bot runs, but less well than it could, or the check itself had no answer."""
    ERROR = "error"
    """The bot does not run, or not as it is set, until somebody changes something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        check: the check's name.
        line: what was found, in one line, without secrets.
        way_out: what the operator can do; "" if there is nothing to do.
    """

    check: str
    result: Result
    line: str
    way_out: str = ""


Findings = Sequence[Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """A check that can be run.

    Attributes:
        name: one lower-case word or two.
        find: does the work; it changes nothing.
        seconds: its time limit.
        needs: the settings without which it has no meaning.
        over_network: whether it asks another machine.
    """

    name: str
    find: Callable[[], Awaitable[Findings]]
    seconds: float
    needs: Sequence[str] = ()
    over_network: bool = False


async def run_check(check: Check) -> Findings:
    """Return what a check finds; its own failure is a finding too."""
    try:
        async with asyncio.timeout(check.seconds):
            return await check.find()
    except TimeoutError:
        line = f"not checked: this took longer than {check.seconds:.0f} s"
        way_out = "run this again when the machine, its disks and the network are less busy"
        return [Finding(check.name, Result.WARNING, line, way_out)]
    except ConfigurationError as error:
        return [refused(check.name, error)]
    except Exception as error:  # noqa: BLE001 - a check must not keep the others from the operator
        # Its message may hold anything, a password included.
        line = f"not checked: the check failed unexpectedly ({type(error).__name__})"
        return [Finding(check.name, Result.WARNING, line, "this is a bug; please report it")]


def refused(check: str, error: ConfigurationError, result: Result = Result.ERROR) -> Finding:
    """The finding that an error line makes: the cause before its first semicolon, the way out after it."""
    cause, _, way_out = str(error).partition("; ")
    return Finding(check, result, cause, way_out)


async def in_thread(call: Callable[[], Value]) -> Value:
    """Await a call that blocks, such as one that reads from a disk.

    A call that never returns, as on a network drive that is gone, keeps the process from ending in one of asyncio's own
    threads; here it does not.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Value] = loop.create_future()

    def finish(result: Value | None, error: BaseException | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # without an error it is one

    def work() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, result, failure)

    threading.Thread(target=work, name="check", daemon=True).start()
    return await done
