"""``kill -9`` of server or plugin host under load, again and again: nothing that was acknowledged is lost, no effect doubled.

``SEED`` repeats the choices of a run, ``ROUNDS`` makes it longer (``make crash``).
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import eventually
from tests.support.live import Client, Writer, plugin_hosts
from tests.support.processes import Watched
from tests.support.serving import Serving, serving

pytestmark = pytest.mark.process

ROUNDS = int(os.environ.get("ROUNDS", "20"))
WRITERS = 3
SIZES = (1, 1, 1, 2, 5, 40)
MOST_SHOWN = 12
DRAIN_S = 60.0
TICK_S = 20.0
FEWEST_REQUESTS, MOST_REQUESTS = 1, 150
WARM_SHARE = 0.8
EFFECTS = ("copied", "echoed")

# A table's rows with a tag of their own show every repeated effect. ``round`` tells when an input row was written.
COPY = """
import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    counted = influxdb3_local.cache.get("counted", default=0)
    for row in (row for batch in table_batches for row in batch["rows"]):
        counted += 1
        line = LineBuilder("copied").tag("effect", str(uuid.uuid4())).tag("writer", row["writer"])
        line.int64_field("number", row["number"]).int64_field("try", row["try"]).int64_field("round", row["round"])
        influxdb3_local.write(line.int64_field("counted", counted).time_ns(row["time"]))
    influxdb3_local.cache.put("counted", counted)
"""
ECHO = """
import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    for row in (row for batch in table_batches for row in batch["rows"]):
        line = LineBuilder("echoed").tag("effect", str(uuid.uuid4())).tag("writer", row["writer"])
        line.int64_field("number", row["number"]).int64_field("try", row["try"]).int64_field("round", row["round"])
        influxdb3_local.write(line.time_ns(row["time"]))
"""
TICK = """
import random
import time
import uuid


def process_scheduled_call(influxdb3_local, call_time, args=None):
    call = call_time.isoformat()
    # At once, and the same row however often the run is repeated.
    influxdb3_local.write_sync(LineBuilder("begun").tag("call", call).int64_field("n", 1).time_ns(1), no_sync=False)
    time.sleep(random.uniform(0, 0.4))
    influxdb3_local.write(LineBuilder("ticks").tag("effect", str(uuid.uuid4())).string_field("call", call))
"""
OPTIONS = ("--without-auth", "--wal-segment-size", "256kb", "--force-snapshot-mem-size", "1mb")
"""Sizes with which segments are closed and snapshots written in the middle of it."""


Row = tuple[str, int, int]
"""Writer, number, try."""


@dataclass
class Story:
    """All rounds on one folder."""

    folder: Path
    seed: int
    clients: list[Client] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        for name, code in (("copy.py", COPY), ("echo.py", ECHO), ("tick.py", TICK)):
            (self.plugins / name).write_text(code)

    @contextmanager
    def server(self) -> Iterator[Serving]:
        """Run the server, and have everybody speak with it."""
        with serving(self.folder, *OPTIONS, "--plugin-dir", str(self.plugins)) as running:
            for client in self.clients:
                client.at(running.url)
            if not self.clients:
                self._begin(running.url)
            yield running

    def _begin(self, url: str) -> None:
        """Make the triggers, and writers that write from now on."""
        asking, *writing = self.clients = [Client(url, "home") for _ in range(WRITERS + 1)]
        assert asking.write("other n=1i 1")
        # Retry: whoever kills a host in which one run is repeated alone makes that run look guilty.
        asking.create_trigger("copy", "table:input", "copy.py", error_behavior="retry")
        asking.create_trigger("echo", "table:input", "echo.py", error_behavior="retry", run_async=True)
        asking.create_trigger("tick", "every:1s", "tick.py", error_behavior="retry")
        for number, client in enumerate(writing):
            self.writers.append(Writer(client, "input", number, SIZES, self.seed))
            self.writers[-1].start()

    def play(self) -> None:
        """Play all rounds; the writers go on."""
        rounds = iter(range(ROUNDS))
        number = next(rounds, None)
        while number is not None:
            with self.server() as running:
                is_alive = True
                while number is not None and is_alive:
                    self._load(number)
                    end = self.chance.choices((self._kill_host, self._kill_server, self._stop_server), (5, 4, 1))[0]
                    is_alive = end(running)
                    number = next(rounds, None)

    def _load(self, number: int) -> None:
        """Let the writers get some requests acknowledged in round ``number``, mostly with plugins at work already."""
        for writer in self.writers:
            writer.round = number
        if self.chance.random() < WARM_SHARE:
            sql = f"SELECT 1 FROM copied WHERE round = {number} LIMIT 1"
            eventually(lambda: self.clients[0].rows(sql) or self._problems(), DRAIN_S)
        goal = self.requests + self.chance.randint(FEWEST_REQUESTS, MOST_REQUESTS)
        eventually(lambda: self.requests >= goal or self._problems())
        assert not self._problems()

    @property
    def requests(self) -> int:
        """How many requests were acknowledged."""
        return sum(writer.requests for writer in self.writers)

    def _problems(self) -> list[str]:
        return [f"{writer.name}: {writer.problem}" for writer in self.writers if writer.problem]

    def _kill_host(self, running: Serving) -> bool:
        """Kill a plugin host, the spare one perhaps; return that the server goes on."""
        victim = self.chance.choice(eventually(lambda: plugin_hosts(running.process.pid)))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            self.kills["host"] += 1
        return True

    def _stop_server(self, running: Serving) -> bool:
        """Have the server end in good order, with work under way; return that it does."""
        self.kills["stop in good order"] += 1
        return False

    def _kill_server(self, running: Serving) -> bool:
        """Kill the server; its hosts go with it. Return that it is gone."""
        hosts = [Watched(pid) for pid in plugin_hosts(running.process.pid)]
        running.process.kill()
        running.process.wait()
        for host in hosts:
            host.wait_gone()
        self.kills["server"] += 1
        return False

    def stop_writing(self) -> dict[tuple[str, int], int]:
        """End the writers; return the try with which each row was acknowledged."""
        for writer in self.writers:
            writer.finish()
        return {(f"w{i}", n): t for i, writer in enumerate(self.writers) for n, t in writer.acknowledged.items()}

    def close(self) -> None:
        """Leave no connection open."""
        for client in self.clients:
            client.close()


def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: SEED={seed} ROUNDS={ROUNDS} make crash")
    with closing(Story(tmp_path, seed)) as story:
        story.play()
        with story.server():
            acknowledged = story.stop_writing()
            _drain(story.clients[0], acknowledged)
        with story.server():  # what a clean stop would lose or double shows too
            asking = story.clients[0]
            _process_a_last_row(asking)
            found = [*_input_differences(asking, acknowledged), *_effect_differences(asking, acknowledged)]
            found += [*_counter_differences(asking), *_tick_differences(asking), *_outcomes(asking)]
            retried = sum(1 for attempt in acknowledged.values() if attempt)
            print(f"kills {dict(story.kills)}, rows {len(acknowledged)}, written again {retried}", *_figures(asking))
    assert not found, "\n".join([f"seed {seed}, kills {dict(story.kills)}", *found])


def _drain(asking: Client, acknowledged: dict[tuple[str, int], int]) -> None:
    """Wait until every acknowledged row has both effects; what never comes is among the differences later."""
    needed = {(*row, attempt) for row, attempt in acknowledged.items()}
    deadline_s = time.monotonic() + DRAIN_S
    for table in EFFECTS:
        distinct = f"SELECT count(DISTINCT concat(writer, '-', number)) AS n FROM {table}"

        def is_complete(table: str = table, sql: str = distinct) -> bool:
            if time.monotonic() > deadline_s:
                return True
            counted: int = sum(row["n"] for row in asking.rows(sql))
            return counted >= len(acknowledged) and needed <= set(_rows(asking, table))

        eventually(is_complete, 2 * DRAIN_S)


def _process_a_last_row(asking: Client) -> None:
    assert asking.write("input,writer=end number=0i,try=0i,round=-1i 1")
    for table in EFFECTS:
        asking.rows_when(f"SELECT number FROM {table} WHERE writer = 'end'", bool)


def _rows(asking: Client, table: str) -> list[Row]:
    sql = f"SELECT writer, number, try FROM {table} WHERE writer <> 'end'"
    return [(row["writer"], row["number"], row["try"]) for row in asking.rows(sql)]


def _input_differences(asking: Client, acknowledged: dict[tuple[str, int], int]) -> Iterator[str]:
    stored = _rows(asking, "input")
    yield from _shown("acknowledged and not stored", acknowledged.keys() - {row[:2] for row in stored})
    yield from _shown("stored and never written", {row[:2] for row in stored} - acknowledged.keys())
    yield from _shown("stored twice", [row for row, n in Counter(row[:2] for row in stored).items() if n > 1])
    old = [(*row, acknowledged[row[:2]]) for row in stored if row[2] != acknowledged.get(row[:2], row[2])]
    yield from _shown("stored as an earlier try wrote it (writer, number, stored, acknowledged)", old)


def _effect_differences(asking: Client, acknowledged: dict[tuple[str, int], int]) -> Iterator[str]:
    for table in EFFECTS:
        effects = Counter(_rows(asking, table))
        yield from _shown(f"not in {table}", {(*row, t) for row, t in acknowledged.items()} - effects.keys())
        yield from _shown(f"more than once in {table}", {row: n for row, n in effects.items() if n > 1}.items())
        foreign = [row for row in effects if row[2] > acknowledged.get(row[:2], -1)]
        yield from _shown(f"in {table} and never written", foreign)


def _counter_differences(asking: Client) -> Iterator[str]:
    rows = asking.rows("SELECT writer, number, try, counted, round FROM copied ORDER BY counted")
    expected = range(1, len(rows) + 1)
    off = [f"{row} should be {n}" for row, n in zip(rows, expected, strict=True) if row["counted"] != n]
    yield from _shown("the counter has a gap or a repeat", off[:1])
    last: dict[str, int] = {}
    for row in rows:
        if row["try"] == 0:  # what was written again comes again, later
            if row["number"] < last.get(row["writer"], 0):
                yield f"processed out of order: {row} after number {last[row['writer']]}"
            last[row["writer"]] = row["number"]


def _tick_differences(asking: Client) -> Iterator[str]:
    # In this order: what begins meanwhile is no run without effect.
    begun = {row["call"] for row in asking.rows("SELECT call FROM begun")}
    deadline_s = time.monotonic() + TICK_S
    calls: Counter[str] = Counter()

    def is_complete() -> bool:
        calls.clear()
        calls.update(row["call"] for row in asking.rows("SELECT call FROM ticks"))
        return begun <= calls.keys() or time.monotonic() > deadline_s

    eventually(is_complete, 2 * TICK_S)
    yield from _shown("call times that began and have no effect", begun - calls.keys())
    yield from _shown("a call time more than once", [call for call, n in calls.items() if n > 1])


def _outcomes(asking: Client) -> Iterator[str]:
    """What plugins themselves did wrong, or what was given up."""
    sql = "SELECT trigger_name, outcome, error FROM system.processing_engine_runs WHERE outcome NOT IN ('success', 'crash')"
    yield from _shown("runs failed", [str(row) for row in asking.rows(sql) if row["outcome"] != "cancelled"])
    letters = asking.rows("SELECT trigger_name, error FROM system.processing_engine_dead_letters")
    yield from _shown("given up", map(str, letters))


def _figures(asking: Client) -> Iterator[str]:
    sql = (
        "SELECT trigger_name, outcome, count(*) AS runs FROM system.processing_engine_runs GROUP BY 1, 2 ORDER BY 1, 2"
    )
    for row in asking.rows(sql):
        yield f"{row['trigger_name']} {row['outcome']} {row['runs']}"


def _shown(what: str, things: Iterable[Any]) -> Iterator[str]:
    """Say what differs, if anything does; not all of it."""
    known = sorted(things)
    if known:
        yield f"{what}: {len(known)}, the first: {known[:MOST_SHOWN]}"
