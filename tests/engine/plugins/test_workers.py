"""Threads for calls that may wait."""

import logging
import threading

import pytest

from engine.plugins import workers
from engine.plugins.workers import Workers

WAIT_S = 10.0


def test_calls_run_side_by_side_up_to_the_number_of_threads() -> None:
    pool = Workers("test-pool", 2)
    meeting = threading.Barrier(3)
    third_began = threading.Event()
    pool.submit(lambda: meeting.wait(WAIT_S) and None)
    pool.submit(lambda: meeting.wait(WAIT_S) and None)
    pool.submit(third_began.set)
    assert not third_began.is_set()
    meeting.wait(WAIT_S)
    assert third_began.wait(WAIT_S)


def test_a_call_that_fails_is_logged_and_the_next_one_is_made(caplog: pytest.LogCaptureFixture) -> None:
    pool = Workers("test-pool", 1)
    after = threading.Event()

    def fail() -> None:
        raise ValueError("told to")

    with caplog.at_level(logging.ERROR):
        pool.submit(fail)
        pool.submit(after.set)
        assert after.wait(WAIT_S)
    assert "told to" in caplog.text


def test_idle_threads_go_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_S", 0.01)
    pool = Workers("test-pool-idle", 3)
    for _ in range(3):
        seen: list[threading.Thread] = []
        done = threading.Event()

        def call(seen: list[threading.Thread] = seen, done: threading.Event = done) -> None:
            seen.append(threading.current_thread())
            done.set()

        pool.submit(call)
        assert done.wait(WAIT_S)
        seen[0].join(WAIT_S)
        assert not seen[0].is_alive()
