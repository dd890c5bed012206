"""Plugins that harm their host, in real hosts, with innocents in flight."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.host.protocol import PluginSource
from engine.plugins.executors.host import ExecutorConfig, HostExecutor
from engine.plugins.ports import HostPlan
from engine.plugins.processes import HostConfig
from tests.support.processes import is_alive, until
from tests.support.runs import Started, start_run

pytestmark = pytest.mark.process

INNOCENT = """
import os, time
def process_scheduled_call(influxdb3_local, call_time, args=None):
    while not os.path.exists(args["gate"]):
        time.sleep(0.005)
    influxdb3_local.write(LineBuilder("done").int64_field("f", 1))
"""

CALLED = "import ctypes, os, sys\ndef process_scheduled_call(influxdb3_local, call_time, args=None):\n    "


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[HostExecutor]:
    config = ExecutorConfig(HostConfig(plugin_dir=tmp_path), freeze_timeout_s=1.5)
    executor = HostExecutor(config, SystemClock())
    yield executor
    executor.close(0)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[HostExecutor]:
    """An executor for which a busy machine is no frozen host."""
    executor = HostExecutor(ExecutorConfig(HostConfig(plugin_dir=tmp_path), freeze_timeout_s=30.0), SystemClock())
    yield executor
    executor.close(0)


def plugin(folder: Path, name: str, code: str) -> PluginSource:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(code))
    return PluginSource(path.name, str(path))


def innocents(executor: HostExecutor, folder: Path) -> list[Started]:
    source = plugin(folder, "innocent", INNOCENT)
    gate = str(folder / "gate")
    runs = [
        start_run(executor, {"gate": gate}, trigger=f"innocent{n}", thread=f"innocent{n}", source=source)
        for n in range(2)
    ]
    for started in runs:
        started.wait_entered()
    return runs


@pytest.mark.parametrize(
    ("code", "timeout_s", "kind", "words"),
    [
        pytest.param(f"{CALLED}os._exit(1)", None, "host", "exited with status 1", id="os-exit"),
        pytest.param("import os\nos._exit(2)", None, "host", "exited with status 2", id="os-exit-at-import"),
        pytest.param(f"{CALLED}ctypes.string_at(0)", None, "host", "was killed by signal 11 (SIGSEGV)", id="segfault"),
        pytest.param(
            f"{CALLED}ctypes.PyDLL(None).sleep(600)", 1.0, "host", "gave no sign of life for 1.5 s", id="held-gil"
        ),
        pytest.param(f"{CALLED}sys.exit(3)", None, "call", "SystemExit: 3", id="sys-exit"),
        pytest.param(
            f"{CALLED}while True: pass", 0.5, "timeout", "the run passed its timeout of 0.5 s", id="endless-loop"
        ),
        pytest.param(
            f"{CALLED}import time\n    while True:\n        try: time.sleep(600)\n        except BaseException: pass",
            0.5,
            "timeout",
            "the run passed its timeout of 0.5 s and had not stopped",
            id="endless-loop-that-catches-everything",
        ),
    ],
)
def test_the_culprit_fails_with_the_reason_and_innocents_do_not(
    executor: HostExecutor, tmp_path: Path, code: str, timeout_s: float | None, kind: str, words: str
) -> None:
    others = innocents(executor, tmp_path)
    culprit = start_run(
        executor, trigger="culprit", thread="culprit", timeout_s=timeout_s, source=plugin(tmp_path, "culprit", code)
    )
    until(lambda: len(culprit.ends) == 1 or any(started.services.entries > 1 for started in others))
    (tmp_path / "gate").touch()
    error = culprit.end().error
    assert error is not None
    assert (error.kind, words in error.text) == (kind, True), error.text
    for started in others:
        done = started.end()
        assert done.error is None
        assert [lines for _, lines in done.writes] == ["done f=1i"]
        assert len(started.ends) == 1


# ---- limits that hold for a process


ALONE = HostPlan(is_alone=True)
SMALL = HostPlan(is_alone=True, max_memory_bytes=150 << 20)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(
            "bytearray(10 << 30)", "MemoryError: the plugin host may use at most 150 MB of memory", id="python"
        ),
        pytest.param(
            "import numpy; numpy.ones(10 << 27)",
            "MemoryError: Unable to allocate 10.0 GiB for an array with shape (1342177280,) and data type float64: "
            "the plugin host may use at most 150 MB of memory",
            id="numpy",
        ),
        pytest.param(
            "import pyarrow; pyarrow.allocate_buffer(10 << 30)",
            "ArrowMemoryError: malloc of size 10737418240 failed: the plugin host may use at most 150 MB of memory",
            id="pyarrow",
        ),
        pytest.param(
            "import subprocess\n    subprocess.run([sys.executable, '-c', 'x = [bytes(1000) for n in range(300_000)];"
            "import time; time.sleep(60)'])",
            "of memory, more than its limit of 150 MB while this run was alone in it",
            id="child",
        ),
    ],
)
def test_memory_beyond_the_limit_of_a_host_fails_the_run(
    patient: HostExecutor, tmp_path: Path, body: str, words: str
) -> None:
    greedy = start_run(patient, plan=SMALL, source=plugin(tmp_path, "greedy", f"{CALLED}{body}"))
    error = greedy.end().error
    assert error is not None
    assert (error.kind, words in error.text) == ("memory", True), error
    body = "import pyarrow; bytearray(50 << 20); pyarrow.array(range(100_000))"
    modest = start_run(patient, plan=SMALL, source=plugin(tmp_path, "modest", CALLED + body))
    assert modest.end().error is None


def test_reading_large_files_by_mapping_them_does_not_count_as_memory(patient: HostExecutor, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(400 << 20))
    code = f"""
import mmap, pyarrow
def process_scheduled_call(influxdb3_local, call_time, args=None):
    with open({str(tmp_path / "large")!r}, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    pyarrow.py_buffer(mapped)
    influxdb3_local.info(mapped.find(b"x"))
"""
    assert start_run(patient, plan=SMALL, source=plugin(tmp_path, "reader", code)).end().error is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("while True: pass", id="python"),
        pytest.param("sum(range(10**12))", id="c-code-that-holds-the-gil"),
        pytest.param("import re; re.match('(a+)+$', 'a' * 60 + 'b')", id="catastrophic-regex"),
        pytest.param(
            "import subprocess\n    subprocess.run([sys.executable, '-c', 'while True: pass'])", id="child-process"
        ),
        pytest.param(
            "import threading\n    def spin():\n        while True: pass\n    t = threading.Thread(target=spin, daemon=True)"
            "\n    t.start(); t.join()",
            id="other-thread",
        ),
    ],
)
def test_cpu_time_beyond_the_limit_ends_the_run(patient: HostExecutor, tmp_path: Path, body: str) -> None:
    busy = start_run(patient, plan=ALONE, max_cpu_s=0.3, source=plugin(tmp_path, "busy", f"{CALLED}{body}"))
    error = busy.end().error
    assert error is not None
    assert error.kind == "cpu", error
    assert "more than its limit of 0.3 s" in error.text


def test_waiting_uses_no_cpu_time(patient: HostExecutor, tmp_path: Path) -> None:
    idle = plugin(tmp_path, "idle", f"{CALLED}import time; time.sleep(0.8)")
    assert start_run(patient, plan=ALONE, max_cpu_s=0.3, source=idle).end().error is None


FORK_BOMB = """
import os
def process_scheduled_call(influxdb3_local, call_time, args=None):
    while True:
        os.fork()
"""


def test_a_fork_bomb_is_ended_and_innocents_are_not_harmed(executor: HostExecutor, tmp_path: Path) -> None:
    others = innocents(executor, tmp_path)
    bomb = start_run(executor, trigger="bomb", source=plugin(tmp_path, "bomb", FORK_BOMB))
    until(lambda: any(started.services.entries > 1 for started in others))
    (tmp_path / "gate").touch()
    error = bomb.end().error
    assert error is not None
    assert error.kind == "processes", error
    assert [started.end().error for started in others] == [None, None]


def test_a_host_that_is_no_longer_needed_ends_in_good_order(executor: HostExecutor, tmp_path: Path) -> None:
    code = f"import atexit\natexit.register(open, {str(tmp_path / 'farewell')!r}, 'w')\n{CALLED}pass"
    start_run(executor, source=plugin(tmp_path, "polite", code)).end()
    executor.close(1)
    assert (tmp_path / "farewell").exists()


SERVER = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from engine.clock import SystemClock
from engine.host.protocol import PluginSource
from engine.plugins.executors.host import ExecutorConfig, HostExecutor
from engine.plugins.processes import HostConfig
from tests.support.processes import until
from tests.support.runs import start_run
executor = HostExecutor(ExecutorConfig(HostConfig()), SystemClock())
started = start_run(executor, source=PluginSource("loop.py", {plugin!r}))
started.wait_entered()
until(lambda: executor.supervisor.has_spare)
print(*executor.supervisor.pids, flush=True)
sys.stdin.read()
"""


def test_no_host_outlives_a_server_that_is_killed_not_even_a_looping_one(tmp_path: Path) -> None:
    loop = plugin(tmp_path, "loop", f"{CALLED}while True: pass")
    code = SERVER.format(root=str(Path(__file__).parents[4]), plugin=loop.path)
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        os.kill(server.pid, 9)
    until(lambda: not any(is_alive(pid) for pid in pids))
