"""What child processes get of this process's environment: no tokens, no passwords and no keys.

The engine and the conversions read files, and this process asks the hub; who needs more, adds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_SECRET_NAME = re.compile(
    r"TOKEN(?!IZ)|SECRET|PASS|CREDENTIAL|COOKIE|WEBHOOK|DATABASE_URL|^PG|_PWD$"
    r"|(^|_)((API|PRIVATE)_?)?(KEYS?|AUTH|OAUTH2?|AUTHORIZATION|CREDS?|DSN|JWT|PATS?|PW)(_|$)",
    re.IGNORECASE,
)
# A user alone may be an access token: https://TOKEN@github.com. The last is a bot's token on Discord.
_SECRET_VALUE = re.compile(r"://[^/\s@]+@|^\s*(Bot )?[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}\s*$")
_NETWORK_NAME = re.compile(r"PROXY|^PIP_|^HF_ENDPOINT$", re.IGNORECASE)


def child_environment(*, with_network: bool = False) -> dict[str, str]:
    """The variables for a child that is started with an environment of its own.

    Args:
        with_network: keep the addresses of proxies, package indexes and the hub, which can hold a password.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not _SECRET_NAME.search(name)
        and (not _SECRET_VALUE.search(value) or (with_network and _NETWORK_NAME.search(name)))
    }


@contextmanager
def secrets_hidden_from_children(*, with_network: bool = False) -> Iterator[None]:
    """Keep secrets from children that are started in the block with this process's environment.

    `multiprocessing` takes no other. This process still finds its secrets in `os.environ`.

    Args:
        with_network: as of `child_environment`.
    """
    kept = child_environment(with_network=with_network)
    secrets = {name: value for name, value in os.environ.items() if name not in kept}
    for name in secrets:
        # Not from os.environ: to set it again would move the variables while another thread may read them. POSIX
        # children get the operating system's copy.
        os.unsetenv(name)
        if os.name == "nt":
            del os.environ[name]  # a virtual environment's children get a copy of Python's
    try:
        yield
    finally:
        if os.name == "nt":
            os.environ.update(secrets)
