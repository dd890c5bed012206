from concurrent.futures import ThreadPoolExecutor

from engine.errors import QueryCancelled
from engine.query.stopping import Stop
from engine.query.turns import Turns


def test_any_number_may_go_without_a_limit() -> None:
    turns = Turns(None)
    for give_back in [turns.take(Stop()) for _ in range(100)]:
        give_back()


def test_the_next_one_goes_when_a_turn_is_given_back() -> None:
    turns = Turns(1)
    give_back = turns.take(Stop())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.take, Stop())
        assert not waiting.done()
        give_back()
        waiting.result(10)()


def test_who_is_ended_while_it_waits_takes_no_turn() -> None:
    turns, stop = Turns(1), Stop()
    give_back = turns.take(Stop())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.take, stop)
        stop.stop(QueryCancelled("nobody waits"))
        assert isinstance(waiting.exception(10), QueryCancelled)
    give_back()
    turns.take(Stop())()
