"""The memory that this process may take, under made-up and real limits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bot.engine.worker.memory_limit import usable_memory

MB = 1_000_000
MACHINE = "the machine's free memory"
CGROUP_VARIABLE = "TEST_CGROUP"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these limits")


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def version_2(folder: str, limit: str, usage: int = 0, statistics: str = "") -> dict[str, str]:
    """Files of a version 2 group."""
    top = f"sys/fs/cgroup{folder}"
    return {
        f"{top}/memory.max": f"{limit}\n",
        f"{top}/memory.high": "max\n",
        f"{top}/memory.current": f"{usage}\n",
        f"{top}/memory.stat": statistics,
    }


def version_1(folder: str, limit: int, usage: int = 0, statistics: str = "") -> dict[str, str]:
    """Files of a version 1 group."""
    top = f"sys/fs/cgroup/memory{folder}"
    return {
        f"{top}/memory.limit_in_bytes": f"{limit}\n",
        f"{top}/memory.usage_in_bytes": f"{usage}\n",
        f"{top}/memory.stat": statistics,
    }


def test_without_cgroups_the_machine_limits(tmp_path: Path) -> None:
    memory = usable_memory(tmp_path)
    assert memory.limit == MACHINE
    assert memory.bytes == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_page_cache_counts_as_free(tmp_path: Path) -> None:
    statistics = f"anon {10 * MB}\ninactive_file {20 * MB}\nactive_file {15 * MB}\nfile_mapped {5 * MB}\n"
    write(tmp_path, {"proc/self/cgroup": "0::/bot\n", **version_2("/bot", str(100 * MB), 60 * MB, statistics)})
    memory = usable_memory(tmp_path)
    assert memory.bytes == 75 * MB
    assert memory.limit == "the cgroup limit of 0.1 GB"


def test_a_group_above_may_be_tighter(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user/bot/engine\n",
            **version_2("/user/bot/engine", "max"),
            **version_2("/user/bot", str(900 * MB), 100 * MB),
            **version_2("/user", str(1000 * MB), 600 * MB),
        },
    )
    assert usable_memory(tmp_path).bytes == 400 * MB


def test_the_soft_limit_counts_where_it_is_lower(tmp_path: Path) -> None:
    files = version_2("/bot", str(100 * MB), 10 * MB) | {"sys/fs/cgroup/bot/memory.high": f"{70 * MB}\n"}
    write(tmp_path, {"proc/self/cgroup": "0::/bot\n", **files})
    assert usable_memory(tmp_path).bytes == 60 * MB


@pytest.mark.parametrize("path", ["/system.slice/docker-5f3c.scope", "/", "/../bot"])
def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path, path: str) -> None:
    write(tmp_path, {"proc/self/cgroup": f"0::{path}\n", **version_2("", str(50 * MB), 20 * MB)})
    assert usable_memory(tmp_path).bytes == 30 * MB


@pytest.mark.parametrize("folder", ["/docker/5f3c", ""])
def test_version_1(tmp_path: Path, folder: str) -> None:
    statistics = f"inactive_file 1\ntotal_inactive_file {2 * MB}\ntotal_active_file {3 * MB}\n"
    cgroups = "9:name=systemd:/elsewhere\n4:cpu,memory:/docker/5f3c\n0::/elsewhere\n"
    write(tmp_path, {"proc/self/cgroup": cgroups, **version_1(folder, 50 * MB, 30 * MB, statistics)})
    memory = usable_memory(tmp_path)
    assert memory.bytes == 25 * MB
    assert memory.limit == "the cgroup limit of 0.1 GB"


def test_a_huge_limit_of_version_1_means_none(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "4:memory:/\n", **version_1("", 2**63 - 4096, 30 * MB)})
    assert usable_memory(tmp_path).limit == MACHINE


def test_another_groups_limit_is_not_ours(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/bot\n", **version_2("/bot", "max"), **version_2("/other", str(MB))})
    assert usable_memory(tmp_path).limit == MACHINE


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/bot\n", **version_2("/bot", str(50 * MB), 60 * MB)})
    assert usable_memory(tmp_path).bytes == 0


def test_a_limit_holds_without_the_files_beside_it(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/bot\n", "sys/fs/cgroup/bot/memory.max": f"{50 * MB}\n"})
    assert usable_memory(tmp_path).bytes == 50 * MB


def test_a_limit_that_is_no_number_limits_nothing(tmp_path: Path) -> None:
    files = version_2("/bot", "-", 10, "inactive_file\nactive_file x\n") | {"sys/fs/cgroup/memory.max": "\udcff"}
    for name, text in {"proc/self/cgroup": "nonsense\n0::/bot\n", **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert usable_memory(tmp_path).limit == MACHINE


ASK = """
import sys
from bot.engine.worker.memory_limit import usable_memory
exec(sys.argv[1])
memory = usable_memory()
print(memory.bytes, memory.limit, sep=chr(10))
"""


def ask_in_a_child(beforehand: str) -> tuple[int, str]:
    """Call `usable_memory` in a process of its own, after some code."""
    child = subprocess.run(
        [sys.executable, "-c", ASK, beforehand], capture_output=True, text=True, check=True, timeout=60
    )
    size, limit = child.stdout.splitlines()
    return int(size), limit


@linux_only
@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("RLIMIT_AS", "the process limit of 0.6 GB (address space, ulimit -v)"),
        ("RLIMIT_DATA", "the process limit of 0.6 GB (data, ulimit -d)"),
    ],
)
def test_a_real_process_limit(name: str, phrase: str) -> None:
    set_limit = f"import resource; resource.setrlimit(resource.{name}, ({600 * MB}, resource.RLIM_INFINITY))"
    size, limit = ask_in_a_child(set_limit)
    assert limit == phrase
    assert 0 < size < 600 * MB
    held, _ = ask_in_a_child(f"{set_limit}; held = bytearray({200 * MB})")
    assert held == pytest.approx(size - 200 * MB, abs=5 * MB)
    # This much can be allocated, and not much more.
    take = f"{set_limit}; taken = bytearray({size - 20 * MB})"
    ask_in_a_child(take)
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        ask_in_a_child(f"{set_limit}; taken = bytearray({size + 20 * MB})")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A new version 2 cgroup with a limit of 300 MB, in the folder that the variable names."""
    parent = os.environ.get(CGROUP_VARIABLE)
    if not parent:
        pytest.skip(f"{CGROUP_VARIABLE} does not name a cgroup folder of version 2 to make groups with limits in")
    group = Path(parent, f"bot-tests-{os.getpid()}")
    group.mkdir()
    (group / "memory.max").write_text(str(300 * MB))
    yield group
    group.rmdir()


@linux_only
def test_a_real_cgroup(cgroup: Path, tmp_path: Path) -> None:
    enter = f"import os; from pathlib import Path; Path({str(cgroup / 'cgroup.procs')!r}).write_text(str(os.getpid()))"
    size, limit = ask_in_a_child(enter)
    assert limit == "the cgroup limit of 0.3 GB"
    assert 250 * MB < size <= 300 * MB
    held, _ = ask_in_a_child(f"{enter}; held = bytearray({100 * MB})")
    assert held == pytest.approx(size - 100 * MB, abs=15 * MB)

    # A file takes nothing away, even in the active page cache because it was read twice.
    file = tmp_path / "weights"
    read_twice = (
        f"file = Path({str(file)!r}); file.write_bytes(bytes({150 * MB})); file.read_bytes(); file.read_bytes()"
    )
    read, _ = ask_in_a_child(f"{enter}; {read_twice}")
    assert read == pytest.approx(size, abs=15 * MB)

    ask_in_a_child(f"{enter}; taken = bytearray({size - 40 * MB})")
    with pytest.raises(subprocess.CalledProcessError, match="SIGKILL"):
        ask_in_a_child(f"{enter}; taken = bytearray(b'x') * {size + 40 * MB}")
