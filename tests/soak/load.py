"""What goes on in the server while it is watched: writers of several shapes, readers, triggers."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.support.live import Client

COUNTER = """
def process_writes(influxdb3_local, table_batches, args=None):
    rows = sum(len(batch["rows"]) for batch in table_batches)
    total = (influxdb3_local.cache.get("rows") or 0) + rows
    influxdb3_local.cache.put("rows", total)
    influxdb3_local.write(LineBuilder("counted").tag("by", "counter").int64_field("rows", total))
"""
TICKER = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    rows = influxdb3_local.query("SELECT count(*) AS n FROM counted")
    influxdb3_local.info("rows:", rows[0]["n"] if rows else 0)
    influxdb3_local.write(LineBuilder("ticks").int64_field("n", 1))
"""
PLUGINS = {"counter.py": COUNTER, "ticker.py": TICKER}


@dataclass
class Traffic:
    """A thread that does one thing again and again, ``pause_s`` apart.

    Attributes:
        done: how often it was done.
        rows: how many rows were acknowledged.
        problems: what went wrong, the first few.
    """

    name: str
    step: Callable[[], int]
    pause_s: float
    done: int = 0
    rows: int = 0
    slowest_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End behind the present step."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(120)

    def _run(self) -> None:
        while not self._stop.wait(self.pause_s):
            began_s = time.monotonic()
            try:
                self.rows += self.step()
                self.done += 1
            except Exception as error:  # noqa: BLE001 - it is what the run is for
                if len(self.problems) < 5:
                    self.problems.append(f"{self.name}: {error!r}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)


def writer(client: Client, bodies: Iterator[tuple[int, str]]) -> Callable[[], int]:
    """Return a step that writes the next of ``bodies`` (rows, lines) until it is acknowledged."""

    def step() -> int:
        rows, lines = next(bodies)
        while not client.write(lines):
            time.sleep(0.05)
        return rows

    return step


def singles() -> Iterator[tuple[int, str]]:
    """Yield single lines."""
    for number in _numbers():
        yield 1, f"single,host=h{number % 20} v={number}i,f={number / 7} {time.time_ns()}"


def batches() -> Iterator[tuple[int, str]]:
    """Yield bodies of 500 lines with ten fields."""
    fields = ",".join(f"f{i}={i}.25" for i in range(9))
    for number in _numbers():
        now_ns = time.time_ns()
        yield 500, "\n".join(f"batch,host=h{i % 50} {fields},n={number}i {now_ns + i}" for i in range(500))


def rewrites() -> Iterator[tuple[int, str]]:
    """Yield lines whose keys were there before: a thousand rows that stay a thousand."""
    for number in _numbers():
        yield (
            100,
            "\n".join(f"again,k=k{(number * 100 + i) % 1000} v={number}i 1700000000000000000" for i in range(100)),
        )


def texts() -> Iterator[tuple[int, str]]:
    """Yield lines with long texts, and now and then with a new column or table."""
    for number in _numbers():
        extra = f",c{number // 50 % 40}=1i" if number % 50 == 0 else ""
        table = f"log{number // 500 % 5}"
        yield (
            20,
            "\n".join(
                f'{table},app=a{i % 3} text="{"x" * 200} {number}"{extra} {time.time_ns() + i}' for i in range(20)
            ),
        )


def reader(client: Client, sql: str) -> Callable[[], int]:
    """Return a step that asks ``sql``."""

    def step() -> int:
        client.rows(sql)
        return 0

    return step


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
