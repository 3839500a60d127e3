"""Addresses of servers, as people write them."""

from __future__ import annotations

import pytest

from bot.server_urls import api_of, host_of, read_server_urls, root_of


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


def test_hosts_are_in_lower_case_and_paths_as_written() -> None:
    assert read_server_urls("HTTPS://Host:1/A/, http://[::1]:8000") == ("https://host:1/A", "http://[::1]:8000")


@pytest.mark.parametrize(
    "url", ["http://a..b:80", "http://.", f"http://{'a' * 64}", "http://256.1.1.1", "http://1.2.3", "http://[v1.a]:80"]
)
def test_a_host_that_nothing_can_look_up_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no usable host or port"):
        read_server_urls(url)


@pytest.mark.parametrize("url", ["http://h\x01", "http://h/\x7f", "http://h/a b", "http://hö"])
def test_a_character_that_no_address_has_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a character that none may have"):
        read_server_urls(url)


@pytest.mark.parametrize("urls", ["http://h, http://h/", "http://h,http://h/v1", "http://h,HTTP://H"])
def test_one_server_counts_once(urls: str) -> None:
    with pytest.raises(ValueError, match="an address is there twice"):
        read_server_urls(urls)
