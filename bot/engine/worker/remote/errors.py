"""What can go wrong with a server, and what it means for a request."""

from __future__ import annotations

import math
import re

from bot.engine.interface import FinishReason, Outcome
from bot.engine.worker.backends.backend import one_line

_MOST_SHOWN = 200
_TOO_LONG = re.compile(
    r"context[ _]?(length|size|window)|maximum[ _](model|context)|exceed_context|longer than|max_model_len", re.I
)
_MAY_QUOTE = re.compile(r"[\[{\"`]|(?<![a-z])'")

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"

_UNAUTHORIZED = (401, 403)
_NOT_FOUND = 404
_TOO_MANY = 429
_UNAVAILABLE = 503
_TIMEOUTS = (408, 425)
_REDIRECTS = range(300, 400)
_CLIENT_ERRORS = range(400, 500)


class ServerLostError(Exception):
    """A server does not answer, or not as it must: another one may. The message is one line with the way out."""


class ServerDownError(ServerLostError):
    """A server does not answer for a reason that may pass without anybody's doing."""


class ServerLoadingError(ServerDownError):
    """A server is there, but still loads its model."""


class ServerBusyError(Exception):
    """A server wants to be asked later.

    Attributes:
        seconds: how much later, if it says so.
    """

    def __init__(self, seconds: float | None) -> None:
        super().__init__("the server is busy")
        self.seconds = seconds


class RequestRefusedError(Exception):
    """A server refuses one request, and would refuse it again."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


def error_of_status(url: str, status: int, content: object, retry_after: str | None = None) -> Exception:
    """The error that a response without success means.

    Args:
        content: of the response, parsed if it is JSON.
        retry_after: the header.
    """
    if status in _UNAUTHORIZED:
        return ServerLostError(f"{url} refuses the key ({status}); correct ENGINE_KEY")
    if status == _NOT_FOUND:
        return ServerLostError(f"{url} has no completions or no such model (404); correct ENGINE_URL or ENGINE_MODEL")
    if status == _TOO_MANY or (status == _UNAVAILABLE and retry_after is not None):
        return ServerBusyError(_seconds(retry_after))
    if status in _REDIRECTS:
        return ServerLostError(f"{url} redirects ({status}), which is not followed; set ENGINE_URL to where it leads")
    if status in _CLIENT_ERRORS and status not in _TIMEOUTS:
        return RequestRefusedError(_refusal(url, status, content))
    if status == _UNAVAILABLE:
        return ServerLoadingError(
            f"{url} is not ready (503{_explained(content)}); wait until it is, or look at its log"
        )
    return ServerDownError(f"{url} fails ({status}{_explained(content)}); look at its log")


def error_in_stream(url: str, error: object) -> Exception:
    """The error that an event in the middle of an answer means."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and code in _CLIENT_ERRORS else 500
    return error_of_status(url, status, {"error": error})


def unreachable(url: str, error: BaseException) -> ServerLostError:
    """The error for a connection that failed or broke."""
    cause = one_line(error)[:_MOST_SHOWN] if str(error).strip() else type(error).__name__
    if _UNTRUSTED in cause:
        return ServerLostError(
            f"{url} has a certificate that this machine does not trust ({cause}); add its authority to the machine's "
            "own, or correct ENGINE_URL"
        )
    return ServerDownError(f"{url} cannot be reached ({cause}); start it, or correct ENGINE_URL")


def _refusal(url: str, status: int, content: object) -> Outcome:
    is_too_long = status == 413 or _TOO_LONG.search(_message(content))
    reason = FinishReason.NO_ROOM if is_too_long else FinishReason.FAILED
    return Outcome(reason, f"{url} refuses the request ({status}{_explained(content)})")


def _explained(content: object) -> str:
    """A server's own words on an error, up to where it may quote the request: that holds what members wrote."""
    words = " ".join(_MAY_QUOTE.split(_message(content))[0].split())[:_MOST_SHOWN].rstrip(" :,(")
    return f": {words}" if words else ""


def _message(content: object) -> str:
    """The message of an error, in the shapes of vLLM's versions and of llama.cpp's server."""
    error = content.get("error", content) if isinstance(content, dict) else None
    if isinstance(error, str):
        return error
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:  # none, or a date
        return None
    return None if math.isnan(seconds) else max(seconds, 0.0)
