import queue
import threading
from collections.abc import Iterator

import pytest

from engine.host.lanes import Lanes

WAIT_S = 20.0


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes()
    yield made
    made.close()


def test_jobs_of_one_name_keep_their_order_and_thread(lanes: Lanes) -> None:
    done = queue.SimpleQueue[tuple[int, int]]()
    for number in range(50):
        lanes.submit("a", lambda n=number: done.put((n, threading.get_ident())))
    found = [done.get(timeout=WAIT_S) for _ in range(50)]
    assert [number for number, _ in found] == list(range(50))
    assert len({thread for _, thread in found}) == 1


@pytest.mark.parametrize("names", [("a", "b", "c"), ("", "", "")])
def test_other_names_and_no_name_run_side_by_side(lanes: Lanes, names: tuple[str, ...]) -> None:
    together, done = threading.Barrier(3), queue.SimpleQueue[int]()
    for name in names:
        lanes.submit(name, lambda: done.put(together.wait(WAIT_S)))
    assert sorted(done.get(timeout=WAIT_S) for _ in names) == [0, 1, 2]


def test_job_that_is_left_holds_up_nobody(lanes: Lanes) -> None:
    go, begun, done = threading.Event(), threading.Event(), queue.SimpleQueue[str]()

    def stuck() -> None:
        begun.set()
        go.wait(WAIT_S)
        done.put("stuck")

    lanes.submit("a", stuck)
    lanes.submit("a", lambda: done.put("behind"))
    assert begun.wait(WAIT_S)
    lanes.leave("a", lambda: None)
    assert done.empty()
    lanes.leave("a", stuck)
    assert done.get(timeout=WAIT_S) == "behind"
    go.set()
    assert done.get(timeout=WAIT_S) == "stuck"
    lanes.submit("a", lambda: done.put("after"))
    assert done.get(timeout=WAIT_S) == "after"


def test_job_that_raises_is_logged_and_does_not_end_the_thread(lanes: Lanes, caplog: pytest.LogCaptureFixture) -> None:
    done = queue.SimpleQueue[int]()
    for name in ("a", ""):
        lanes.submit(name, lambda: [][0])
        lanes.submit(name, lambda: done.put(1))
        assert done.get(timeout=WAIT_S) == 1
    assert "a run ended without a word" in caplog.text


@pytest.mark.parametrize("name", ["a", ""])
def test_threads_end_when_nothing_more_is_to_come(lanes: Lanes, name: str) -> None:
    go, threads = threading.Event(), queue.SimpleQueue[threading.Thread]()

    def job() -> None:
        threads.put(threading.current_thread())
        go.wait(WAIT_S)

    lanes.submit(name, job)
    at_work = threads.get(timeout=WAIT_S)
    lanes.close()
    assert at_work.is_alive()
    go.set()
    at_work.join(WAIT_S)
    assert not at_work.is_alive()
    lanes.submit(name, job)
    late = threads.get(timeout=WAIT_S)
    late.join(WAIT_S)
    assert not late.is_alive()


@pytest.mark.parametrize("name", ["a", ""])
def test_idle_threads_end_at_once(lanes: Lanes, name: str) -> None:
    threads = queue.SimpleQueue[threading.Thread]()
    lanes.submit(name, lambda: threads.put(threading.current_thread()))
    idle = threads.get(timeout=WAIT_S)
    lanes.close()
    idle.join(WAIT_S)
    assert not idle.is_alive()
