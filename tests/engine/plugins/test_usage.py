"""What a process and all that it started use."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from engine.plugins.usage import Gauge, own_memory_bytes, reserved_bytes
from tests.support.processes import is_alive, until

pytestmark = pytest.mark.process

MB = 1 << 20
PARENT = """
import os, subprocess, sys, time
kept = b"x" * (30 << 20)
code = "import time; kept = b'x' * (20 << 20); print('ready', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session={stray})
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def started(stray: bool) -> tuple["subprocess.Popen[str]", int]:
    code = PARENT.format(stray=stray)
    parent = subprocess.Popen((sys.executable, "-c", code), stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.fixture(params=[False, True], ids=["same-group", "group-of-its-own"])
def family(request: pytest.FixtureRequest) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    parent, child = started(request.param)
    yield parent, child
    for pid in (child, parent.pid):
        if is_alive(pid):
            os.kill(pid, 9)
    parent.communicate()


def test_memory_and_number_of_a_process_and_its_child(family: tuple["subprocess.Popen[str]", int]) -> None:
    parent, _ = family
    usage = Gauge(parent.pid).read()
    assert usage is not None
    assert usage.processes == 2
    assert 50 * MB < usage.memory_bytes < 120 * MB
    assert Gauge(parent.pid).fair_memory_bytes() <= usage.memory_bytes + MB


def test_children_that_left_the_group_can_be_ended_also_when_their_parent_is_gone() -> None:
    parent, child = started(stray=True)
    gauge = Gauge(parent.pid)
    gauge.read()
    os.kill(parent.pid, 9)
    parent.communicate()
    assert is_alive(child)
    gauge.end_strays()
    until(lambda: not is_alive(child))


def test_cpu_time_of_threads_adds_up() -> None:
    def spin() -> None:
        sum(range(5_000_000))

    before = Gauge(os.getpid()).read(with_threads=True)
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
    after = Gauge(os.getpid()).read(with_threads=True)
    assert before is not None
    assert after is not None
    assert after.cpu_ns > before.cpu_ns
    assert os.getpid() in after.threads


def test_nothing_is_known_of_a_process_that_is_gone() -> None:
    process = subprocess.Popen((sys.executable, "-c", "pass"))
    process.wait()
    assert Gauge(process.pid).read() is None
    assert own_memory_bytes(process.pid) == reserved_bytes(process.pid) == 0
