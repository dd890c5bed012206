import threading
import time

import pytest

from engine.clock import SystemClock
from engine.triggers.timers import TimerLoop, Timers
from tests.support.clock import ManualClock


class SteppedClock(ManualClock):
    """A wall clock that can be held while real time passes."""

    def __init__(self) -> None:
        super().__init__(1_000)
        self.real_ns = 0

    def monotonic_ns(self) -> int:
        return self.real_ns


def test_calls_are_made_in_the_order_of_their_times() -> None:
    clock = ManualClock(0)
    timers, made = Timers(clock), []
    for due in (30, 10, 20):
        timers.at(due, lambda due=due: made.append(due))
    clock.advance(20)
    timers.tick()
    assert made == [10, 20]
    clock.advance(10)
    timers.tick()
    assert made == [10, 20, 30]


def test_a_cancelled_call_is_not_made() -> None:
    timers, made = Timers(ManualClock(5)), []
    timers.at(1, lambda: made.append(1)).cancel()
    timers.tick()
    assert made == []


def test_a_call_may_ask_for_another_one_that_is_due_too() -> None:
    timers, made = Timers(ManualClock(5)), []
    timers.at(1, lambda: timers.at(2, lambda: made.append("second")))
    timers.tick()
    assert made == ["second"]


def test_a_call_that_fails_does_not_keep_others_from_being_made() -> None:
    timers, made = Timers(ManualClock(5)), []
    timers.at(1, lambda: made[0])
    timers.at(2, lambda: made.append("still"))
    timers.tick()
    assert made == ["still"]


@pytest.mark.parametrize(("passed_ns", "expected"), [(999, []), (1_000, [1])])
def test_a_delay_counts_from_the_clock(passed_ns: int, expected: list[int]) -> None:
    clock = ManualClock(1_000)
    timers, made = Timers(clock), []
    timers.after(1e-6, lambda: made.append(1))
    clock.advance(passed_ns)
    timers.tick()
    assert made == expected


def test_a_delay_ends_though_the_wall_clock_is_held() -> None:
    clock = SteppedClock()
    timers, made = Timers(clock), []
    timers.after(1e-6, lambda: made.append("delay"))
    timers.at(1_001, lambda: made.append("time"))
    clock.real_ns = 1_000
    timers.tick()
    assert made == ["delay"]
    clock.advance(1)
    timers.tick()
    assert made == ["delay", "time"]


def test_the_loop_never_makes_a_call_before_its_time() -> None:
    clock = SystemClock()
    timers = Timers(clock)
    loop = TimerLoop(timers)
    loop.start()
    late_ns: list[int] = []
    done = threading.Event()
    first_ns = time.time_ns() + 5_000_000
    for due_ns in range(first_ns, first_ns + 50_000_000, 1_000_000):
        timers.at(due_ns, lambda due_ns=due_ns: late_ns.append(time.time_ns() - due_ns))
    timers.at(first_ns + 50_000_000, done.set)
    assert done.wait(10)
    loop.stop()
    assert len(late_ns) == 50
    assert min(late_ns) >= 0
