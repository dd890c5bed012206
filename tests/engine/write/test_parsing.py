"""Large bodies that keep coming are parsed in processes beside the server; what comes of them does not change."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import InvalidRequest
from engine.lineprotocol.body import parse_body
from engine.model.precision import Precision
from engine.write.parsing import LARGE_BYTES, Parsed, Parsers, calls_for_processes
from tests.support.clock import ManualClock
from tests.support.line_protocol import plain
from tests.support.processes import Watched, is_alive, until

NOW_NS = 1_700_000_000_000_000_000
MS = 1_000_000


class BusyClock(ManualClock):
    """A clock by which everything takes a while."""

    def monotonic_ns(self) -> int:
        self.advance(200 * MS)
        return super().monotonic_ns()


def large_body(odd: str = "") -> bytes:
    lines = [f"cpu,host=h{n % 7} usage={n}.5,count={n}i {NOW_NS + n}" for n in range(2_500)]
    return "\n".join([*lines, odd]).encode()


@pytest.fixture
def parsers() -> Iterator[Parsers]:
    made = Parsers(BusyClock(), 1, 1)
    yield made
    made.close()


def parse(parsers: Parsers, body: bytes) -> object:
    return plain(parsers.parse(body, Precision.NANOSECOND, NOW_NS))


def started(parsers: Parsers) -> int:
    """Return the id of the process that large bodies called for."""
    parse(parsers, large_body())
    until(lambda: bool(parsers.pids))
    (pid,) = parsers.pids
    return pid


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        pytest.param([], False, id="nothing-came"),
        pytest.param([(990, 100)], False, id="one-body"),
        pytest.param([(700, 70), (900, 70)], True, id="two-in-a-second"),
        pytest.param([(-50, 70), (900, 70)], False, id="one-is-too-long-ago"),
        pytest.param([(999, 200)], True, id="one-that-takes-long"),
    ],
)
def test_processes_are_called_for_when_parsing_takes_much_of_a_second(
    recent: list[tuple[int, int]], expected: bool
) -> None:
    times = [Parsed(ended * MS, took * MS) for ended, took in recent]
    assert calls_for_processes(times, 1_000 * MS) is expected


@pytest.mark.process
def test_a_process_parses_what_this_one_parses(parsers: Parsers) -> None:
    body = large_body("bad line")
    here = plain(parse_body(body, Precision.NANOSECOND, NOW_NS))
    pid = started(parsers)
    assert parse(parsers, body) == here
    assert parsers.pids == [pid]


@pytest.mark.process
def test_what_is_refused_whole_is_refused_in_the_same_words(parsers: Parsers) -> None:
    started(parsers)
    body = large_body() + b"\xff"
    with pytest.raises(InvalidRequest) as here:
        parse_body(body, Precision.NANOSECOND, NOW_NS)
    with pytest.raises(InvalidRequest) as there:
        parse(parsers, body)
    assert str(there.value) == str(here.value)


@pytest.mark.process
def test_bodies_whose_process_dies_are_parsed_all_the_same(parsers: Parsers) -> None:
    pid = started(parsers)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(parse, parsers, large_body()) for _ in range(2)]
        expected = plain(parse_body(large_body(), Precision.NANOSECOND, NOW_NS))
        assert not any(parsing.done() for parsing in both)  # one is with the process, one waits for it
        os.kill(pid, signal.SIGKILL)
        assert [parsing.result() for parsing in both] == [expected, expected]
    assert pid not in parsers.pids


@pytest.mark.process
def test_as_many_start_as_there_may_be_and_again_when_bodies_wait() -> None:
    parsers = Parsers(BusyClock(), 1, 2)
    parse(parsers, large_body())
    until(lambda: len(parsers.pids) == 2)
    gone, stays = parsers.pids
    os.kill(gone, signal.SIGKILL)
    until(lambda: parsers.pids == [stays])
    os.kill(stays, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(parse, parsers, large_body()) for _ in range(2)]
        until(lambda: len(parsers.pids) == 2)
        os.kill(stays, signal.SIGCONT)
        first, second = [parsing.result() for parsing in both]
    parsers.close()
    assert first == second == plain(parse_body(large_body(), Precision.NANOSECOND, NOW_NS))


@pytest.mark.process
def test_a_process_that_cannot_be_started_is_not_tried_for_each_body(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    parsers = Parsers(BusyClock(), 1, 1)
    for _ in range(20):
        parse(parsers, large_body())
    until(lambda: bool(caplog.records))
    for _ in range(20):
        parse(parsers, large_body())
    assert [record.message.partition(":")[0] for record in caplog.records] == ["no parsing process could be started"]
    assert parsers.pids == []


@pytest.mark.process
def test_an_answer_under_way_is_not_lost_with_the_owner_of_the_processes(parsers: Parsers) -> None:
    pid = started(parsers)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        parsing = pool.submit(parse, parsers, large_body())
        expected = plain(parse_body(large_body(), Precision.NANOSECOND, NOW_NS))
        parsers.close()
        assert parsing.result() == expected
    assert not is_alive(pid)


@pytest.mark.process
def test_a_process_that_died_between_two_bodies_is_replaced(parsers: Parsers) -> None:
    pid = started(parsers)
    end = Watched(pid)
    os.kill(pid, signal.SIGKILL)
    end.wait_gone()
    until(lambda: not parsers.pids)
    assert started(parsers) != pid


@pytest.mark.process
def test_many_at_a_time_are_parsed_beside_each_other(parsers: Parsers) -> None:
    started(parsers)
    expected = plain(parse_body(large_body(), Precision.NANOSECOND, NOW_NS))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: parse(parsers, large_body()), range(12))) == [expected] * 12


@pytest.mark.process
def test_a_process_ends_when_nothing_comes() -> None:
    parsers = Parsers(BusyClock(), 1, 1, longest_idle_s=0.3)
    end = Watched(started(parsers))
    end.wait_gone()
    until(lambda: not parsers.pids)
    assert parse(parsers, large_body()) == plain(parse_body(large_body(), Precision.NANOSECOND, NOW_NS))
    parsers.close()


@pytest.mark.process
def test_processes_end_with_their_owner(parsers: Parsers) -> None:
    pid = started(parsers)
    parsers.close()
    assert not is_alive(pid)
    assert parsers.pids == []


def test_small_bodies_and_a_server_without_processes_start_none() -> None:
    parsers = Parsers(BusyClock(), 1, 0)
    for body in (large_body(), large_body(), b"cpu usage=1"):
        parse(parsers, body)
    assert len(large_body()) > LARGE_BYTES
    assert parsers.pids == []
