"""Headless Chromium for tests that drive a page.

Import the fixture into a conftest: `from tests.browser import browser`. One browser serves the whole test process, so
its event loop is the session's: mark the tests with `pytest.mark.asyncio(loop_scope="session")`.
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One headless Chromium. Starting it takes seconds, a context in it milliseconds: open one for each test."""
    async with async_playwright() as playwright:
        executable = _find_chromium() or _existing(playwright.chromium.executable_path)
        if executable is None:
            reason = f"none of {', '.join(_NAMES)} is on the PATH; run python scripts/ensure_browser.py"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        launched = await playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield launched
        await launched.close()


def _find_chromium() -> str | None:
    """Return the path in the environment variable CHROMIUM, or the first Chromium on the PATH."""
    return os.environ.get("CHROMIUM") or next((path for name in _NAMES if (path := shutil.which(name))), None)


def _existing(path: str) -> str | None:
    """Return the path if the file exists: Playwright names its own build even when it is not installed."""
    return path if Path(path).exists() else None
