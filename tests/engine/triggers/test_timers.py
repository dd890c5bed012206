from engine.triggers.timers import Timers
from tests.support.clock import ManualClock


def test_calls_are_made_in_the_order_of_their_times() -> None:
    timers, made = Timers(ManualClock(0)), []
    for due in (30, 10, 20):
        timers.at(due, lambda due=due: made.append(due))
    assert (timers.tick(20), made) == (30, [10, 20])
    assert (timers.tick(30), made) == (None, [10, 20, 30])


def test_a_cancelled_call_is_not_made() -> None:
    timers, made = Timers(ManualClock(0)), []
    timers.at(1, lambda: made.append(1)).cancel()
    timers.tick(5)
    assert made == []


def test_a_call_may_ask_for_another_one_that_is_due_too() -> None:
    timers, made = Timers(ManualClock(0)), []
    timers.at(1, lambda: timers.at(2, lambda: made.append("second")))
    timers.tick(5)
    assert made == ["second"]


def test_a_call_that_fails_does_not_keep_others_from_being_made() -> None:
    timers, made = Timers(ManualClock(0)), []
    timers.at(1, lambda: made[0])
    timers.at(2, lambda: made.append("still"))
    timers.tick(5)
    assert made == ["still"]


def test_a_delay_counts_from_the_clock() -> None:
    clock = ManualClock(1_000)
    timers, made = Timers(clock), []
    timers.after(1e-6, lambda: made.append(1))
    assert (timers.tick(1_999), made) == (2_000, [])
    timers.tick(2_000)
    assert made == [1]
