"""A template without an end, and the children that try model files."""

from __future__ import annotations

from contextlib import suppress

import psutil

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def children(parent: int | None = None) -> list[psutil.Process]:
    """The children that try model files."""
    found = []
    for each in psutil.Process(parent).children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if any("_child import main" in part for part in each.cmdline()):
                found.append(each)
    return found


def rendering(parent: int | None = None) -> bool:
    """Whether a child renders a template."""
    for each in children(parent):
        with suppress(psutil.Error):
            if any("template_child" in part for part in each.cmdline()):
                return True
    return False
