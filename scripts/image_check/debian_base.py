"""A base image made with debootstrap, where no registry can be reached: Debian 12 with its own Python 3.11."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from bot.errors import ConfigurationError
from image_check.engine import ContainerEngine

_PACKAGES = "python3,python3-venv,ca-certificates"


def make_base(engine: ContainerEngine, dockerfile: Path, folder: Path) -> str:
    """Make the image that a Dockerfile begins with, and return its name. Needs root and debootstrap.

    Args:
        folder: for the root; kept, so that the next run need not download it again.
    """
    names: set[str] = set(re.findall(r"^FROM (python:\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE))
    if len(names) != 1 or not (name := names.pop()).endswith("-bookworm"):
        raise ConfigurationError(f"{dockerfile} must begin with one python image of Debian bookworm, not {names}")
    if not (folder / "etc").is_dir():
        if shutil.which("debootstrap") is None or os.geteuid() != 0:
            raise ConfigurationError("--debian-base needs root and debootstrap: apt-get install debootstrap")
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(folder)]
        subprocess.run(command, check=True, timeout=1800)
        (folder / "usr/bin/python").symlink_to("python3")  # as Python's own image calls it
    _trust_proxy(folder)
    if engine.succeeds("image", "inspect", name):
        return name  # a new one would have another id, and everything would be built again
    engine.import_root(folder, f"docker.io/library/{name}")
    return name


def _trust_proxy(folder: Path) -> None:
    """Let pip use the certificates that it uses here (PIP_CERT), as behind a proxy with one of its own."""
    if certificates := os.environ.get("PIP_CERT"):
        shutil.copyfile(certificates, folder / "etc/ssl/certs/ca-certificates.crt")
        (folder / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n", encoding="utf-8")
