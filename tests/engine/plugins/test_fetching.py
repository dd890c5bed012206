"""Fetching while nobody waits."""

import threading

import pytest

from engine.errors import PluginError
from engine.plugins.fetching import Fetching
from tests.support.clock import ManualClock
from tests.support.engines import WAIT_S


def test_all_are_fetched_side_by_side_and_failures_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    together = threading.Barrier(3, timeout=WAIT_S)

    def fetch(name: str) -> None:
        together.wait()
        if name == "b":
            raise PluginError("not there")

    Fetching(fetch, ManualClock()).all_of("abc")
    assert "plugin cannot be fetched plugin=b reason=not there" in caplog.text


def test_what_failed_is_not_tried_again_at_once() -> None:
    clock, calls = ManualClock(), threading.Semaphore(0)
    fetching = Fetching(lambda name: calls.release(), clock)
    for seconds in (0, 29, 1, 29):
        clock.advance(seconds * 10**9)
        fetching.soon("a")
    fetching.soon("b")
    for _ in range(3):
        assert calls.acquire(timeout=WAIT_S)
    assert not calls.acquire(blocking=False)
