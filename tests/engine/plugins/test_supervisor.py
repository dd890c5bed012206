"""Hosts are started, kept warm, listened to and reaped."""

import logging
import os
import queue
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.host.protocol import Beat, FromHost
from engine.plugins.processes import HostConfig, HostProcess
from engine.plugins.supervisor import Supervisor
from tests.support.processes import is_alive, until

pytestmark = pytest.mark.process

WAIT_S = 20.0
ENVIRON = dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3]))
FAKE_HOST = HostConfig(ENVIRON, command=(sys.executable, "-m", "tests.support.fake_host"))


class Heard:
    """Keeps what a listener hears, in order, but for ticks."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[tuple[str, HostProcess, object]] = queue.SimpleQueue()
        self.ticks = 0

    def host_ready(self, process: HostProcess) -> None:
        self.events.put(("ready", process, None))

    def host_said(self, process: HostProcess, message: FromHost) -> None:
        self.events.put(("said", process, message))

    def host_gone(self, process: HostProcess, words: str) -> None:
        self.events.put(("gone", process, words))

    def tick(self, now_ns: int) -> None:
        self.ticks += 1

    def next(self, wanted: str) -> tuple[HostProcess, object]:
        while True:
            event, process, what = self.events.get(timeout=WAIT_S)
            if event == wanted:
                return process, what


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def supervisor(heard: Heard) -> Iterator[Supervisor]:
    made = Supervisor(FAKE_HOST, SystemClock(), heard)
    yield made
    made.close()


def test_a_host_gets_ready_beats_and_a_spare_is_made(supervisor: Supervisor, heard: Heard) -> None:
    process = supervisor.obtain(7)
    assert heard.next("ready") == (process, None)
    assert process.tag == 7
    assert heard.next("said") == (process, Beat())
    until(lambda: supervisor.has_spare)
    assert len(supervisor.pids) == 2
    assert heard.ticks > 0


def test_the_spare_is_told_ready_once_it_is_obtained(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.obtain(1)
    until(lambda: supervisor.has_spare)
    second = supervisor.obtain(2)
    assert second.is_ready
    heard.next("ready")
    assert heard.next("ready") == (second, None)


def test_a_host_that_is_killed_is_gone_and_its_last_words_are_not_heard(supervisor: Supervisor, heard: Heard) -> None:
    process = supervisor.obtain(1)
    heard.next("ready")
    process.kill()
    assert heard.next("gone") == (process, "was killed by signal 9 (SIGKILL)")
    assert process.pid is not None
    assert not is_alive(process.pid)


def test_a_host_that_is_stopped_ends_by_itself(supervisor: Supervisor, heard: Heard) -> None:
    process = supervisor.obtain(1)
    heard.next("ready")
    process.stop(SystemClock().monotonic_ns() + 10**12)
    assert heard.next("gone") == (process, "exited with status 0")


def test_a_host_that_does_not_stop_is_ended_by_force(supervisor: Supervisor, heard: Heard) -> None:
    process = supervisor.obtain(1)
    heard.next("ready")
    assert process.pid is not None
    os.kill(process.pid, 19)
    process.stop(SystemClock().monotonic_ns() + 10**8)
    assert heard.next("gone") == (process, "was killed by signal 9 (SIGKILL)")


def test_a_spare_that_dies_is_replaced(supervisor: Supervisor, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.plugins.supervisor.SPARE_RETRY_NS", 0)
    first = supervisor.obtain(1)
    until(lambda: supervisor.has_spare)
    (spare,) = [pid for pid in supervisor.pids if pid != first.pid]
    os.kill(spare, 9)
    until(lambda: not is_alive(spare))
    until(lambda: spare not in supervisor.pids and supervisor.has_spare)


def test_a_spare_that_is_dropped_is_replaced(supervisor: Supervisor, heard: Heard) -> None:
    first = supervisor.obtain(1)
    until(lambda: supervisor.has_spare)
    (spare,) = [pid for pid in supervisor.pids if pid != first.pid]
    supervisor.drop_spare()
    until(lambda: not is_alive(spare))
    until(lambda: spare not in supervisor.pids and supervisor.has_spare)


def test_what_cannot_be_started_is_gone_before_it_is_ready(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor(HostConfig(ENVIRON, command=("/nowhere/python",)), SystemClock(), heard)
    with caplog.at_level(logging.ERROR):
        process = supervisor.obtain(1)
        assert heard.next("gone") == (process, "could not be started")
    assert "plugin host not started" in caplog.text
    supervisor.close()


def test_closing_ends_all_processes_the_spare_too(supervisor: Supervisor, heard: Heard) -> None:
    supervisor.obtain(1)
    until(lambda: supervisor.has_spare)
    pids = supervisor.pids
    supervisor.close()
    supervisor.close()
    assert not any(is_alive(pid) for pid in pids)
    with pytest.raises(RuntimeError, match="the supervisor is closed"):
        supervisor.obtain(2)


def test_what_a_host_started_ends_with_it(supervisor: Supervisor, heard: Heard, tmp_path: Path) -> None:
    code = f"""
import os, subprocess, sys
from tests.support.fake_host import main
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(tmp_path / "child")!r}, "w").write(str(child.pid))
main()
"""
    parent = Supervisor(HostConfig(ENVIRON, command=(sys.executable, "-c", code)), SystemClock(), heard)
    process = parent.obtain(1)
    heard.next("ready")
    child = int((tmp_path / "child").read_text())
    assert is_alive(child)
    process.kill()
    heard.next("gone")
    until(lambda: not is_alive(child))
    parent.close()
