"""Steady writers and well-behaved triggers while every hostile plugin does its deed, again and again.

``make chaos`` runs it for long and holds the latency of writes as well; the short run, part of ``make test``, does not: a
machine that runs all tests has other things to do.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile import DEEDS, MINE
from tests.support.live import Client
from tests.support.serving import Serving, serving

pytestmark = pytest.mark.process

SECONDS = float(os.environ.get("CHAOS_S", "0"))
"""How long hostile plugins are at work; 0 = the short run, one deed of each kind."""

QUIET_S = max(1.0, min(15.0, SECONDS / 4))
"""Before and after; what else the machine does is in both, so that it is not laid to the plugins' charge."""
MOST_TIMES_SLOWER = 2.0
WRITERS = 2
LINES = 5
PAUSE_S = 0.01
BETWEEN_DEEDS_S = 0.4
SHORT_DEEDS = ("endless-loop", "os-exit", "ten-gigabytes", "closed-descriptors", "sys-exit")

GOOD = """
import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    for row in (row for batch in table_batches for row in batch["rows"]):
        line = LineBuilder(args["into"]).tag("effect", str(uuid.uuid4())).tag("writer", row["writer"])
        influxdb3_local.write(line.int64_field("number", row["number"]).time_ns(row["time"]))
"""
GOOD_TRIGGERS: dict[str, dict[str, object]] = {
    "shared": {},
    "side_by_side": {"run_async": True},
    "alone": {"isolation": "trigger"},
    "limited": {"max_memory_bytes": 512 << 20, "max_cpu_s": 60.0},
}


@dataclass
class SteadyWriter(threading.Thread):
    """Writes numbered rows at a steady pace, and keeps when each request began, how long it took, and if it was refused."""

    client: Client
    name_: str
    times_s: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    rows: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.enough.wait(PAUSE_S):
            began_s = time.monotonic()
            lines = [f"input,writer={self.name_} number={n}i {n + 1}" for n in range(self.rows, self.rows + LINES)]
            if self.client.write("\n".join(lines)):
                self.rows += LINES
            else:
                self.refused += 1
            self.times_s.append((began_s, time.monotonic() - began_s))


@contextmanager
def _writers(url: str) -> Iterator[list[SteadyWriter]]:
    clients = [Client(url, "good") for _ in range(WRITERS)]
    writers = [SteadyWriter(client, f"w{number}") for number, client in enumerate(clients)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.enough.set()
            writer.join()
        for client in clients:
            client.close()


def test_hostile_plugins_cost_nobody_else_a_row(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "good.py").write_text(GOOD)
    options = ("--without-auth", "--plugin-dir", str(plugins), "--plugin-freeze-timeout", "5s")
    with serving(tmp_path / "server", *options) as server, closing(Client(server.url, "good")) as client:
        _warm_up(client)
        with _writers(server.url) as writers:
            quiet = [_time(QUIET_S)]
            began_s = time.monotonic()
            deeds = _do_harm(server, plugins)
            chaos = (began_s, time.monotonic())
            quiet.append(_time(QUIET_S))
        before = sorted(_times_within(writers, *quiet))
        after = sorted(_times_within(writers, chaos))
        _report(server, writers, before, after, deeds)
        assert sum(writer.refused for writer in writers) == 0
        _check_rows(client, writers)
    if SECONDS:
        assert _p99(after) <= MOST_TIMES_SLOWER * _p99(before)


def _time(seconds: float) -> tuple[float, float]:
    """Let time pass; return from when to when."""
    began_s = time.monotonic()
    time.sleep(seconds)
    return began_s, time.monotonic()


def _times_within(writers: list[SteadyWriter], *spans: tuple[float, float]) -> Iterator[float]:
    for begin_s, end_s in spans:
        yield from (took_s for w in writers for at_s, took_s in w.times_s if begin_s <= at_s < end_s)


def _warm_up(client: Client) -> None:
    assert client.write("input,writer=warm number=-1i 1")
    for name, settings in GOOD_TRIGGERS.items():
        client.create_trigger(name, "table:input", "good.py", trigger_arguments={"into": f"of_{name}"}, **settings)
    assert client.write("input,writer=warm number=-2i 2")
    for name in GOOD_TRIGGERS:
        client.rows_when(f"SELECT number FROM of_{name}", bool)


def _do_harm(server: Serving, plugins: Path) -> Counter[str]:
    """Let hostile plugins do their deeds, one more every moment, in a database of their own; return how they ended."""
    deeds = {**DEEDS, "mine": MINE} if SECONDS else {name: DEEDS[name] for name in SHORT_DEEDS}
    with closing(Client(server.url, "bad")) as client:
        for name, deed in deeds.items():
            (plugins / f"{name}.py").write_text(deed.code)
            assert client.write(f"{_table(name)} n=0i 1")
            client.create_trigger(name, f"table:{_table(name)}", f"{name}.py", **deed.options)
        until_s, time_ns = time.monotonic() + SECONDS, 2
        while True:
            for name in deeds:
                assert client.write(f"{_table(name)} n=1i {time_ns}")
                time.sleep(BETWEEN_DEEDS_S)
            time_ns += 1
            if time.monotonic() > until_s:
                break
        sql = "SELECT trigger_name, outcome, error FROM system.processing_engine_runs"
        ended = client.rows_when(sql, lambda rows: {row["trigger_name"] for row in rows} >= set(deeds))
    found = {(row["trigger_name"], row["outcome"], row["error"]) for row in ended}
    told = {name for name, outcome, error in found if deeds[name].is_told_by(outcome, error)}
    missing = [name for name, deed in deeds.items() if deed.reason and name not in told]
    assert not missing, f"not done as expected: {missing}, but {sorted(found)}"
    return Counter(row["outcome"] for row in ended)


def _table(name: str) -> str:
    return name.replace("-", "_")


def _check_rows(client: Client, writers: list[SteadyWriter]) -> None:
    """Hold that each acknowledged row is stored, and was processed once by each good trigger."""
    expected = {(writer.name_, number): 1 for writer in writers for number in range(writer.rows)}
    stored = client.rows("SELECT writer, number FROM input WHERE number >= 0")
    assert Counter((row["writer"], row["number"]) for row in stored) == expected
    for name in GOOD_TRIGGERS:
        sql = f"SELECT writer, number FROM of_{name} WHERE number >= 0"
        client.rows_when(f"SELECT count(*) AS n FROM of_{name} WHERE number >= 0", _has_all(len(expected)))
        found = Counter((row["writer"], row["number"]) for row in client.rows(sql))
        assert found == expected, f"{name}: {len(found)} of {len(expected)}"


def _has_all(number: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda rows: bool(rows) and rows[0]["n"] >= number


def _p99(times_s: list[float]) -> float:
    return times_s[int(len(times_s) * 0.99)]


def _report(
    server: Serving, writers: list[SteadyWriter], before: list[float], after: list[float], deeds: Counter[str]
) -> None:
    for name, times in (("quiet", before), ("chaos", after)):
        p50, p99, worst = (times[int((len(times) - 1) * share)] * 1e3 for share in (0.5, 0.99, 1.0))
        print(f"{name}: {len(times)} writes, p50 {p50:.1f} ms, p99 {p99:.1f} ms, slowest {worst:.1f} ms")
    print(f"rows acknowledged {sum(w.rows for w in writers)}, writes refused {sum(w.refused for w in writers)}")
    print(f"hostile runs {deeds.total()}: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(deeds.items())))
    print(f"hosts that ended: {server.log.read_text().count('plugin host ended')}")
