"""A real browser for tests that drive a page: headless Chromium.

Take it into a conftest with `from tests.browser import browser`. Its event loop is the module's, so the tests that use
it are marked `pytest.mark.asyncio(loop_scope="module")`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str | None:
    """Return the path of a Chromium: the environment variable CHROMIUM, or the first that the PATH has."""
    return os.environ.get("CHROMIUM") or next((path for name in _NAMES if (path := shutil.which(name))), None)


def existing(path: str) -> str | None:
    """Return the path if there is something: Playwright's own browser may not be installed."""
    return path if Path(path).exists() else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One headless Chromium for a module's tests; each test opens contexts of its own in it."""
    async with async_playwright() as playwright:
        executable = find_browser() or existing(playwright.chromium.executable_path)
        if executable is None:
            reason = f"no browser: {', '.join(_NAMES)} are not on the PATH; run python scripts/ensure_browser.py"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        launched = await playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield launched
        await launched.close()
