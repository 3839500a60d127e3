"""Builds the package; everything else about it is in pyproject.toml."""

from __future__ import annotations

import tempfile

from setuptools import setup
from setuptools.command.build import build

FOLDER = tempfile.TemporaryDirectory()


class BuildElsewhere(build):
    """Leaves no modules in the source, where a later build of an older version would find newer migrations."""

    def initialize_options(self) -> None:
        """Choose where to build."""
        super().initialize_options()
        self.build_base = FOLDER.name


setup(cmdclass={"build": BuildElsewhere})
