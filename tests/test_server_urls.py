"""Addresses of servers, as people write them."""

from __future__ import annotations

import pytest

from bot.server_urls import api_of, host_of, root_of


@pytest.mark.parametrize(
    ("url", "api", "root"),
    [
        ("http://host:8000", "http://host:8000/v1", "http://host:8000"),
        ("http://host:8000/v1", "http://host:8000/v1", "http://host:8000"),
        ("https://host/models/phi", "https://host/models/phi/v1", "https://host/models/phi"),
        ("https://host/v3", "https://host/v3", "https://host"),
    ],
)
def test_the_api_is_below_v1_unless_the_address_says_otherwise(url: str, api: str, root: str) -> None:
    assert (api_of(url), root_of(url)) == (api, root)
    assert host_of(url) == url.split("/")[2]
