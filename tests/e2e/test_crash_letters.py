"""``kill -9`` while poisonous rows are looked for and while dead letters are retried: each row has its effect once.

``SEED`` repeats the choices of a run, ``ROUNDS`` makes it longer (``make crash``).
"""

import json
import os
import random
import signal
import threading
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.engines import eventually
from tests.support.live import Client, plugin_hosts
from tests.support.serving import Serving, serving

pytestmark = pytest.mark.process

ROUNDS = max(2, int(os.environ.get("ROUNDS", "20")) // 8)
ROWS = 48
POISONOUS = 3
RETRIES_TAKE_S = 1.5
PART_TAKES_S = 0.01
LETTERS = "/api/v3/configure/processing_engine_trigger/dead_letters"
PLUGIN = f"""
import os
import time
import uuid


def process_writes(influxdb3_local, table_batches, args=None):
    is_mended = os.path.exists(args["mended"])
    counted = influxdb3_local.cache.get("counted", default=0)
    for row in (row for batch in table_batches for row in batch["rows"]):
        if row["poisonous"] and not is_mended:
            raise ValueError(f"row {{row['number']}}")
        counted += 1
        line = LineBuilder("effects").tag("effect", str(uuid.uuid4())).int64_field("number", row["number"])
        influxdb3_local.write(line.int64_field("counted", counted).time_ns(row["time"]))
    influxdb3_local.cache.put("counted", counted)
    time.sleep({PART_TAKES_S})
"""


@dataclass
class Story:
    """All rounds on one folder; every round writes one batch with some poisonous rows."""

    folder: Path
    seed: int
    written: int = 0
    poisonous: set[int] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.mended = self.folder / "mended"
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        (self.plugins / "p.py").write_text(PLUGIN)
        self.client = Client("", "home")

    def serving(self) -> Any:
        return serving(self.folder, "--without-auth", "--plugin-dir", str(self.plugins))

    def create(self) -> None:
        arguments = {"mended": str(self.mended)}
        assert self.client.write("other n=1i 1")
        options = {"error_behavior": "retry", "trigger_arguments": arguments}
        self.client.create_trigger("t", "table:input", "p.py", **options)

    def write(self) -> None:
        numbers = range(self.written, self.written + ROWS)
        self.poisonous |= set(self.chance.sample(numbers, POISONOUS))
        lines = (f"input number={n}i,poisonous={str(n in self.poisonous).lower()} {n + 1}" for n in numbers)
        assert self.client.write("\n".join(lines))
        self.written += ROWS

    def kill_within(self, running: Serving, longest_s: float) -> None:
        """Kill the server, or a plugin host and then the server."""
        pause = threading.Event()
        if self.chance.random() < 0.3:
            pause.wait(self.chance.uniform(0, longest_s))
            hosts = plugin_hosts(running.process.pid)
            if hosts:
                with suppress(ProcessLookupError):
                    os.kill(self.chance.choice(hosts), signal.SIGKILL)
                self.kills["host"] += 1
        pause.wait(self.chance.uniform(0, longest_s))
        running.process.kill()
        running.process.wait()
        self.kills["server"] += 1

    def begin_retry(self, running: Serving) -> threading.Thread:
        """Retry all letters in a thread; it may see the server go."""

        def run() -> None:
            body = {"db": "home", "trigger_name": "t", "all": True}
            with suppress(httpx.TransportError):
                httpx.post(f"{running.url}{LETTERS}/retry", json=body, timeout=60).raise_for_status()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def letters(self) -> list[int]:
        rows = self.client.rows("SELECT input FROM system.processing_engine_dead_letters")
        return sorted(row["number"] for letter in rows for row in json.loads(letter["input"])["rows"])

    def effects(self) -> list[dict[str, Any]]:
        return self.client.rows("SELECT number, counted FROM effects ORDER BY counted")

    def is_drained(self) -> bool:
        return len(self.effects()) + len(self.letters()) >= self.written

    def differences(self) -> list[str]:
        effects = self.effects()
        seen = Counter(row["number"] for row in effects) + Counter(self.letters())
        found = [f"row {n} is there {seen[n]} times" for n in range(self.written) if seen[n] != 1]
        counted = [row["counted"] for row in effects]
        if counted != list(range(1, len(effects) + 1)):
            found.append(f"the counter has a gap or a repeat: {counted}")
        return found


def test_kills_in_an_isolation_and_in_a_retry_lose_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: SEED={seed} ROUNDS={ROUNDS * 8} make crash")
    story = Story(tmp_path, seed)
    with closing(story.client):
        for number in range(ROUNDS):
            with story.serving() as running:
                story.client.at(running.url)
                if number == 0:
                    story.create()
                story.write()
                story.kill_within(running, RETRIES_TAKE_S + 40 * PART_TAKES_S)
        with story.serving() as running:
            story.client.at(running.url)
            eventually(story.is_drained, 60)
            found = story.differences()
            if not story.kills["host"]:
                assert story.letters() == sorted(story.poisonous)
        story.mended.touch()
        for _ in range(ROUNDS):
            with story.serving() as running:
                retrying = story.begin_retry(running)
                story.kill_within(running, 10 * PART_TAKES_S)
                retrying.join()
        with story.serving() as running:
            story.client.at(running.url)
            story.begin_retry(running).join()
            found += story.differences()
            left = story.letters()
    assert (found, left) == ([], []), f"seed {seed}, kills {dict(story.kills)}"
