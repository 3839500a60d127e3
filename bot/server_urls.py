"""The addresses of the servers that `ENGINE=openai` asks."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_VERSION = re.compile(r"/v\d+$")
_MOST_URLS = 64


def read_server_urls(text: str) -> tuple[str, ...]:
    """Return the addresses in a text, separated by commas, without slashes at their ends, hosts in lower case.

    Raises:
        ValueError: one is not usable. The message holds nothing of it.
    """
    urls = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    if not urls or len(urls) > _MOST_URLS:
        raise ValueError(f"{len(urls)} addresses")
    for url in urls:
        _require_usable(url)
    urls = tuple(_with_plain_host(url) for url in urls)
    if len({api_of(url) for url in urls}) < len(urls):
        raise ValueError("an address is there twice")
    return urls


def api_of(url: str) -> str:
    """The address of a server's API: `http://host:8000` means `http://host:8000/v1`."""
    return url if _VERSION.search(url) else f"{url}/v1"


def root_of(url: str) -> str:
    """The address of what a server has beside its API, such as `/tokenize`."""
    return _VERSION.sub("", url)


def host_of(url: str) -> str:
    """The host and port, for display."""
    return urlsplit(url).netloc


def _require_usable(url: str) -> None:
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("an address must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("an address holds a name or a password; put the key into ENGINE_KEY")
    if not parts.hostname:
        raise ValueError("an address has no host")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("an address must end after its path")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an address has a character that none may have")


def _with_plain_host(url: str) -> str:
    """The same address; case means nothing in what comes before its path."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
        host = parts.hostname or ""
        if "[" in parts.netloc or host.replace(".", "").isdigit():
            ip_address(host)
        elif host:
            host.encode("idna")  # raises for a name with an empty part, or with one that is too long
    except ValueError:
        raise ValueError("an address has no usable host or port") from None
    return parts
