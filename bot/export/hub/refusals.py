"""Turns the errors of the hub's client into one line that says what to do."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx
from huggingface_hub import constants
from huggingface_hub import logging as client_logging
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]  # public, but not listed

from bot.errors import ConfigurationError

CLIENT_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OfflineModeIsEnabled, HFValidationError)
"""Errors of the client whose cause lies outside this program; some are OSErrors or ValueErrors."""

TOKEN_ADVICE = "set HF_TOKEN or run 'hf auth login'"  # noqa: S105 - advice, no token

_MOST_WORDS = 200
_PAGES = "https://huggingface.co"  # people accept terms and make tokens there, even with another HF_ENDPOINT


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, else the public hub."""
    # The client reads the variable once, at import, which may be before somebody sets it.
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def public_endpoint() -> str:
    """The hub's address without the password that HF_ENDPOINT may hold."""
    return re.sub(r"(^|//)[^/]*@", r"\1", endpoint())


@contextmanager
def readable_errors(name: str, revision: str | None = None) -> Iterator[None]:
    """Turn the client's errors into ConfigurationErrors of one line, and keep its own lines off the screen."""
    verbosity = client_logging.get_verbosity()
    client_logging.set_verbosity(logging.ERROR)  # its warnings would break up the progress line
    try:
        yield
    except CLIENT_ERRORS as error:
        raise ConfigurationError(explain(error, name, revision)) from error
    finally:
        client_logging.set_verbosity(verbosity)


def explain(error: Exception, name: str, revision: str | None = None) -> str:
    """Say why a request to the hub failed and what to do."""
    if isinstance(error, HFValidationError):
        return f"{name!r} is not a hub id; one looks like microsoft/Phi-3-mini-4k-instruct"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids requests to the hub; unset it, or name a local folder"
    if isinstance(error, HfHubHTTPError):
        return _explain_answer(error, name, revision)
    return (
        f"cannot reach the hub at {public_endpoint()} ({cause_of(error)}); check the network, the proxy (HTTPS_PROXY) "
        "and HF_ENDPOINT, then try again"
    )


def cause_of(error: Exception) -> str:
    """An error's text on one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def not_a_hub() -> str:
    """The line for a response that no hub sends."""
    return (
        f"what answers at {public_endpoint()} is not a model hub; check HF_ENDPOINT, the proxy and the network's "
        "sign-in page"
    )


def _explain_answer(error: HfHubHTTPError, name: str, revision: str | None) -> str:
    has_token = "authorization" in error.response.request.headers
    status = error.response.status_code
    if isinstance(error, RevisionNotFoundError):
        return f"{name} has no revision {revision!r}; {_PAGES}/{name}/tree/main lists its branches, tags and commits"
    if isinstance(error, GatedRepoError):
        return _explain_gate(name, has_token)
    if isinstance(error, DisabledRepoError):
        return f"the hub has disabled {name}; choose another model"
    # Without a token, the hub answers a bare 401 for what is private or does not exist.
    if isinstance(error, RepositoryNotFoundError) or (status == HTTPStatus.UNAUTHORIZED and not has_token):
        way_out = "give HF_TOKEN the right to read it" if has_token else TOKEN_ADVICE
        return f"the hub has no model {name}; check the name at {_PAGES}/models, and if it is private, {way_out}"
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            "the hub refuses your token (HF_TOKEN or 'hf auth login'); make a new one at "
            f"{_PAGES}/settings/tokens, or remove it for a public model"
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _explain_limit(error.response, has_token)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"the hub at {public_endpoint()} is failing (it answers {status}); try again in a few minutes"
    words = " ".join((error.server_message or "").split())[:_MOST_WORDS]
    cause = f"it answers {status}: {words}" if words else f"it answers {status}"
    return f"the hub at {public_endpoint()} refuses {name} ({cause}); check HF_ENDPOINT and what HF_TOKEN may read"


def _explain_gate(name: str, has_token: bool) -> str:
    if has_token:
        return (
            f"{name} is gated, and your token may not read it yet; accept its terms at {_PAGES}/{name} with the "
            f"token's account, and allow gated repositories in the token's settings ({_PAGES}/settings/tokens)"
        )
    return f"{name} is gated; accept its terms at {_PAGES}/{name}, then {TOKEN_ADVICE}"


def _explain_limit(response: httpx.Response, has_token: bool) -> str:
    limit = parse_ratelimit_headers(response.headers)
    wait = f"{limit.reset_in_seconds} seconds" if limit else "a few minutes"
    more = "" if has_token else f"; with a token it allows more: {TOKEN_ADVICE}"
    return f"the hub allows no more requests for now; try again in {wait}{more}"
