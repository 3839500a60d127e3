"""A container engine: podman, or docker, which takes the same commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.errors import ConfigurationError

# As compose.yaml hardens the service. The limits are below what any machine allows.
HARDENED = (
    *("--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop", "all", "--security-opt", "no-new-privileges"),  # noqa: S108 - the container's
    *("--network", "host", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
)


class ContainerEngine:
    """Runs an engine's commands.

    Args:
        command: the engine with its global options.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)

    def build(self, folder: Path, image: str, *, pull: bool) -> None:
        """Build an image from a folder's Dockerfile.

        Args:
            pull: fetch the base image; otherwise it must be there.
        """
        self._call("build", *([] if pull else ["--pull=never"]), "--format", "docker", "--tag", image, str(folder))

    def import_root(self, folder: Path, image: str) -> None:
        """Make an image of a root folder."""
        archive = subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE)
        try:
            subprocess.run([*self._command, "import", "-", image], stdin=archive.stdout, check=True, timeout=600)
        finally:
            archive.kill()
            archive.wait()

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows of an image."""
        [details] = json.loads(self.output("image", "inspect", image))
        return dict(details)

    def run(self, image: str, *arguments: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a container to its end, hardened."""
        command = [*self._command, "run", "--rm", *HARDENED, *options, image, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def start(self, image: str, *arguments: str, options: Sequence[str] = ()) -> str:
        """Start a container in the background, hardened; return its id."""
        return self.output("run", "--detach", *HARDENED, *options, image, *arguments).split()[-1]

    def succeeds(self, *arguments: str) -> bool:
        """Whether a command of the engine ends with 0."""
        return (
            subprocess.run([*self._command, *arguments], capture_output=True, timeout=600, check=False).returncode == 0
        )

    def output(self, *arguments: str) -> str:
        """What a command of the engine prints.

        Raises:
            ConfigurationError: it failed; the message has its last line.
        """
        try:
            done = subprocess.run(
                [*self._command, *arguments], capture_output=True, text=True, timeout=600, check=False
            )
        except FileNotFoundError:
            raise ConfigurationError(
                f"there is no {self._command[0]}; install it, or name another with --engine"
            ) from None
        if done.returncode != 0:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise ConfigurationError(f"{' '.join(self._command[:1])} {arguments[0]} failed: {reason}")
        return done.stdout

    def _call(self, *arguments: str) -> None:
        """Run a long command in front of the reader."""
        try:
            subprocess.run([*self._command, *arguments], check=True, timeout=3600)
        except FileNotFoundError:
            raise ConfigurationError(
                f"there is no {self._command[0]}; install it, or name another with --engine"
            ) from None
        except subprocess.CalledProcessError:
            raise ConfigurationError(f"{self._command[0]} {arguments[0]} failed; its reason is above") from None
