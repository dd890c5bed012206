"""One story of kills on one folder: rounds of load, things that people do, a kill, a start, and a look at what is there."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.crash import checks
from tests.support.crash.catalog_file import CatalogFile
from tests.support.crash.fuse import Fuse
from tests.support.crash.fused_server import FUSE, server_command
from tests.support.crash.people import GONE, Asker, Guests, Key, Mending, Stock, Unanswered
from tests.support.crash.plugins import write_plugins
from tests.support.crash.steps import RUNNING, STARTING, Place
from tests.support.engines import eventually
from tests.support.live import Client, Writer, plugin_hosts
from tests.support.processes import Watched
from tests.support.serving import EndedEarly, Launch, Serving, launch

OPTIONS = ("--without-auth", "--wal-segment-size", "64kb", "--force-snapshot-mem-size", "1mb")
"""Sizes with which segments are closed and snapshots written in the middle of it."""

WRITERS = 2
SIZES = (1, 1, 1, 2, 5, 20)
PAUSE_S = 0.04
ODD_SIZES = (1, 2, 4)
ODD_PAUSE_S = 0.1
DRAIN_S = 180.0
STEP_S = 3.0
LONGEST_UNTIL_KILL_S = 0.8
LONGEST_START_S = 1.2
START_KILLS = 0.3
MOST_RETRIES = 3
"""A letter may fail again with what is transient, once in each host."""

BALLAST = "\n".join(f'ballast,n={n} text="{"x" * 20_000}" {n + 1}' for n in range(60))
EFFECTS = ("copied", "echoed", "chained", "deepened")
COUNTED = ("copied", "deepened", "stocked", "evened", "ordered")
KILLS = {"server": 3, "host": 2, "both": 1, "stop": 1, "server step": 5, "host step": 3}


class Story:
    """``begin``, ``play`` for each round, then ``end``, which says what is wrong.

    Attributes:
        doing: what goes on, for whom a failure is told to.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.doing = ""
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)
        self._fuse = Fuse(folder / "fuse")
        self._file = CatalogFile(folder / "data", "home", self._chance)
        self._clients = [Client("", "home") for _ in range(WRITERS + 3)]
        self._asking = self._clients[0]
        self._ballast = Client("", "ballast")
        self._writers = [
            *(
                Writer(c, "input", n, SIZES, seed, pause_s=PAUSE_S)
                for n, c in enumerate(self._clients[1 : 1 + WRITERS])
            ),
            Writer(self._clients[-2], "odd", 0, ODD_SIZES, seed, pause_s=ODD_PAUSE_S),
        ]
        self._askers = [Asker(self._clients[-1], "/api/v3/engine/order", 0)]
        self._stock = Stock(self._asking)
        self._guests = Guests(self._asking, self._file)
        self._mending = Mending(self._asking, self._file, self._chance)
        self._label = 0
        self._databases = 0
        self._counted = 0
        self._launched: Launch | None = None
        self._done: Counter[str] = Counter()
        self._serial = 0
        write_plugins(folder / "plugins")

    @property
    def figures(self) -> list[str]:
        """Return what happened, for people."""
        rows = sum(len(writer.acknowledged) for writer in self._writers)
        again = sum(1 for writer in self._writers for attempt in writer.acknowledged.values() if attempt)
        asked = {name: sum(len(getattr(a, name)) for a in self._askers) for name in ("answered", "unsure", "refused")}
        return [
            f"rows {rows}, of these acknowledged in a later try {again}; requests {asked}; guests {self._guests.visits}; "
            f"stock {len(self._stock.rows.acknowledged)}; labels {self._label}; mended {self._mending.mended}",
            *(f"{count:4} {what}" for what, count in sorted(self._done.items())),
        ]

    # ---- begin

    def begin(self) -> None:
        """Start a server, make the triggers, and have everybody begin."""
        self._start(may_be_killed=False)
        asking = self._asking
        assert asking.write("other n=1i 1")
        self._stock.advance()
        self._stock.earlier = len(self._stock.rows.acknowledged)
        # Retry: whoever kills a host in which one run is repeated alone makes that run look guilty.
        self._create("copy", "table:input", "relay.py", {"to": "copied", "counts": "1", "label": "0"})
        self._create("echo", "table:input", "relay.py", {"to": "echoed"}, run_async=True)
        self._create("chain", "table:copied", "relay.py", {"to": "chained"}, run_async=True)
        self._create("deep", "table:echoed", "relay.py", {"to": "deepened", "counts": "1"})
        self._create("stock", "table:stock", "relay.py", {"to": "stocked", "counts": "1", "pause": "0.03"})
        self._create("odd", "table:odd", "picky.py", {"mended": "0"}, max_rows_per_run=60)
        self._create("order", "request:order", "order.py", {})
        self._create("tick", "every:1s", "tick.py", {})
        self._create("clock", "every:1s", "clock.py", {}, misfire="all")
        for thread in (*self._writers, *self._askers):
            thread.start()

    def _create(self, name: str, spec: str, plugin: str, arguments: dict[str, str], **options: Any) -> None:
        options = {"error_behavior": "retry", "trigger_arguments": arguments} | options
        self._asking.create_trigger(name, spec, plugin, **options)

    # ---- a round

    def play(self, number: int) -> None:
        """Play one round: load, what people do, a kill; then a server that runs, and what it says compared."""
        names = list(KILLS)
        kind = self._chance.choices(names, [KILLS[name] for name in names])[0]
        self.doing = f"round {number}: {kind}"
        for writer in self._writers:
            writer.round = number
        running = self._running
        self._file.mend()
        if kind.endswith("step"):
            self._play_step(running, self._chance.choice([p for p in RUNNING if p.who == kind.split()[0]]))
        else:
            self._play_kill(running, kind)
        self._fuse.disarm()
        if self._launched is not None and self._launched.process.poll() is not None:
            self._launched = None
        if self._launched is None:
            self._start(may_be_killed=True)
        self._check(self._differences_now())

    @property
    def _running(self) -> Serving:
        assert self._launched is not None
        return self._launched.listening()

    def _play_kill(self, running: Serving, kind: str) -> None:
        kill = {
            "server": self._kill_server,
            "host": self._kill_host,
            "both": lambda r: (self._kill_host(r), self._kill_server(r)),
            "stop": lambda r: r.process.terminate(),
        }[kind]
        timer = threading.Timer(self._chance.uniform(0, LONGEST_UNTIL_KILL_S), kill, (running,))
        timer.start()
        self._act("")
        timer.join()
        if kind != "host":
            running.process.wait(60)
        self._done[f"kill {kind}"] += 1

    def _play_step(self, running: Serving, place: Place) -> None:
        """Have a process end at a step; one that does not come is made up for by a kill at this moment."""
        step = place.step(self._chance)
        self.doing += f" {step}"
        hosts = self._watched_hosts(running)
        self._serial += 1
        self._fuse.arm(step, self._serial)
        self._act(place.needs)
        self._wait_until(lambda: self._fuse.is_blown, STEP_S)
        is_missed = self._fuse.disarm()
        what = f"step {place.who} {place.word} {place.to}"
        self._done[f"{what} (not come to)" if is_missed else what] += 1
        if is_missed:
            (self._kill_server if place.who == "server" else self._kill_host)(running)
        if place.who == "server":
            running.process.wait(60)
            for host in hosts:
                host.wait_gone()

    def _act(self, needs: str) -> None:
        """Do what is needed, and something else; the server may go at any time."""
        actions = {
            "snapshot": self._fill,
            "command": self._command,
            "edit": self._new_label,
            "backfill": self._stock.advance,
            "new host": lambda: self._kill_host(self._running),
            "guests": self._guests.advance,
            "mending": self._mending.advance,
            "bad edit": self._bad_edit,
        }
        anything = [name for name in actions if name != "new host"]
        names = [needs] if needs else []
        names += self._chance.sample(anything, self._chance.randint(1, 3))
        names.sort(key="bad edit".__eq__)  # the last, for it may stay
        for name in names:
            with suppress(*GONE):
                actions[name]()
                self._done[f"action {name}"] += 1

    def _fill(self) -> None:
        """Write as much as makes a snapshot due."""
        if not self._ballast.write(BALLAST):
            raise Unanswered

    def _command(self) -> None:
        """Have the engine itself write the file."""
        self._databases += 1
        answer = self._asking.call("POST", "/api/v3/configure/database", {"db": f"more_{self._databases}"})
        assert answer.status_code in (200, 503), answer.text

    def _new_label(self) -> None:
        self._label += 1
        self._file.set_arguments("copy", {"to": "copied", "counts": "1", "label": str(self._label)})

    def _bad_edit(self) -> None:
        """Spoil the file; sometimes that is all, sometimes a command follows, sometimes it is taken back.

        A bad file is refused as a whole, so a good edit that nobody has read yet would go with it.
        """
        self._wait_until(self._label_is_known, 2.0)
        self._file.spoil()
        choice = self._chance.random()
        if choice < 0.3:
            self._command()
        if choice < 0.8:
            self._wait_until(lambda: self._problem() is not None, 1.0)
            self._file.mend()

    def _label_is_known(self) -> bool:
        known = self._asking.rows(
            "SELECT argument_value FROM system.processing_engine_trigger_arguments "
            "WHERE trigger_name = 'copy' AND argument_key = 'label'"
        )
        return known == [{"argument_value": str(self._label)}]

    def _problem(self) -> str | None:
        problem: str | None = self._asking.call("GET", "/api/v3/configure/catalog").json()["problem"]
        return problem

    # ---- kills and starts

    def _kill_host(self, running: Serving) -> None:
        """Kill a plugin host, the spare one perhaps."""
        hosts = plugin_hosts(running.process.pid) if running.process.poll() is None else []
        if hosts:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(hosts), signal.SIGKILL)

    def _kill_server(self, running: Serving) -> None:
        """Kill the server; its hosts go with it."""
        hosts = self._watched_hosts(running)
        running.process.kill()
        running.process.wait()
        for host in hosts:
            host.wait_gone()

    def _watched_hosts(self, running: Serving) -> list[Watched]:
        found = []
        if running.process.poll() is None:
            for pid in plugin_hosts(running.process.pid):
                with suppress(ProcessLookupError):
                    found.append(Watched(pid))
        return found

    def _start(self, *, may_be_killed: bool) -> None:
        """Start a server, which is perhaps killed on the way and started anew."""
        while self._launched is None:
            if self._file.is_spoilt:
                self._see_refusal()
            self._file.mend()
            launched = self._launch()
            is_killed = may_be_killed and self._chance.random() < START_KILLS
            is_gone = self._begin_start_kill(launched) if is_killed else lambda: False
            try:
                running = launched.listening()
                self._launched = launched
            except EndedEarly as early:
                if early.code != -signal.SIGKILL:
                    raise
            if is_gone():
                launched.process.wait()
                self._done["kill at start"] += 1
                self._launched = None
        for client in (*self._clients, self._ballast):
            client.at(running.url)
        self._done["starts"] += 1

    def _begin_start_kill(self, launched: Launch) -> Callable[[], bool]:
        """Have a server end while it starts, or a host of it; returns what waits for that, and tells if the server goes."""
        if self._chance.random() < 0.5:
            timer = threading.Timer(self._chance.uniform(0, LONGEST_START_S), launched.process.kill)
            timer.start()
            return lambda: timer.join() is None
        step = self._chance.choice(STARTING).step(self._chance)
        self.doing += f", at start {step}"
        self._serial += 1
        self._fuse.arm(step, self._serial)
        return lambda: not self._fuse.disarm() and step.who == "server"

    def _see_refusal(self) -> None:
        """Start a server on a file that it does not take; it says why and ends."""
        with pytest.raises(EndedEarly, match=r"catalog\.toml") as refused:
            self._launch().listening()
        assert refused.value.code == 1, f"{self.doing}: {refused.value}"
        self._done["start refused"] += 1

    def _launch(self) -> Launch:
        options = (*OPTIONS, "--plugin-dir", str(self._folder / "plugins"))
        environment = {FUSE: str(self._folder / "fuse")}
        return launch(self._folder, *options, command=server_command(), environment=environment)

    def _stop(self) -> None:
        if self._launched is not None:
            self._launched.end()
            self._launched = None

    # ---- what must hold

    def _check(self, differences: Iterator[str]) -> None:
        found = [*differences, *checks.alarms(self._folder / "server.log")]
        found += [f"{t.name}: {t.problem}" for t in (*self._writers, *self._askers) if t.problem]
        assert not found, "\n".join([f"seed {self._seed}, {self.doing}", *self.figures, *found])

    def _differences_now(self) -> Iterator[str]:
        """Compare what can be compared while everybody goes on."""
        counts = {w: len(w.acknowledged) for w in self._writers}
        answered = max([0, *(n for asker in self._askers for n in list(asker.answered.values())[-1:])])
        for writer, count in counts.items():
            table, name = (
                ("odd", "w0") if writer is self._writers[-1] else ("input", writer.name.replace("writer-", "w"))
            )
            yield from checks.acknowledged_so_far(self._asking, table, name, count)
        for table in COUNTED:
            yield from checks.counter_differences(self._asking, table)
        yield from checks.request_differences(self._asking, self._askers, above=self._counted)
        self._counted = answered
        yield from checks.schedule_differences(self._asking)

    def end(self) -> list[str]:
        """Let everybody end; return what is wrong after all is done, and after one more start."""
        self.doing = "the end"
        for thread in (*self._writers, *self._askers):
            thread.finish()
        self._file.mend()
        self._drain()
        written, odd = self._acknowledged(self._writers[:-1]), self._acknowledged(self._writers[-1:])
        letters = self._mending.letters()
        found = list(checks.letter_differences(self._asking, letters, odd, self._mending.mended))
        self._done["letters at the end"] = len(letters)
        self._mend_all()
        self._stop()
        self._start(may_be_killed=False)  # what a clean stop would lose or double shows too
        self._process_a_last_row()
        found += [*self._differences_now(), *self._differences(written, odd)]
        self._stop()
        found += checks.alarms(self._folder / "server.log")
        return found

    def _differences(self, written: dict[Key, int], odd: dict[Key, int]) -> Iterator[str]:
        asking = self._asking
        yield from checks.stored_differences(asking, "input", written)
        yield from checks.stored_differences(asking, "odd", odd)
        yield from checks.stored_differences(asking, "stock", self._stock.rows.acknowledged)
        for table in EFFECTS:
            yield from checks.effect_differences(asking, table, written)
        yield from checks.effect_differences(asking, "evened", odd)
        yield from checks.order_differences(asking, "copied", has_label=True)
        yield from checks.request_differences(asking, self._askers)
        yield from checks.stock_differences(asking, self._stock)
        yield from checks.guest_differences(asking, self._guests)
        yield from checks.outcomes(asking, but="odd")
        yield from checks.shown("dead letters that stay", [letter["id"] for letter in self._mending.letters()])

    def _acknowledged(self, writers: list[Writer]) -> dict[Key, int]:
        return {(f"w{i}", n): t for i, writer in enumerate(writers) for n, t in writer.acknowledged.items()}

    def _drain(self) -> None:
        """Wait until no trigger lags and no backfill goes on, twice, for one feeds the other."""
        for _ in range(2):
            eventually(self._is_drained, DRAIN_S)

    def _is_drained(self) -> bool:
        sql = "SELECT trigger_name, lag_rows, missed_rows FROM system.processing_engine_trigger_state"
        states = self._asking.rows(sql)
        assert not any(row.get("missed_rows") for row in states), states
        return not any(row.get("lag_rows") for row in states) and all(
            b["state"] != "running" for b in self._stock.backfills()
        )

    def _mend_all(self) -> None:
        """Retry every letter after its plugin was mended."""
        eventually(lambda: self._mending.mend_below(10**9))
        results: list[dict[str, Any]] = []

        def is_answered() -> bool:
            answer = self._mending.retry({"all": True})  # none while the trigger takes the new argument
            results.extend(answer)
            return bool(answer) or not self._mending.letters()

        for _ in range(MOST_RETRIES):
            eventually(is_answered)
        left = {r["id"]: r for r in results if r["state"] != "retried"}.keys() - {
            r["id"] for r in results if r["state"] == "retried"
        }
        assert not left, results
        self._done["letters retried at the end"] = len({r["id"] for r in results})

    def _process_a_last_row(self) -> None:
        assert self._asking.write(f"input,writer={checks.LAST_WRITER} number=0i,try=0i,round=-1i 1")
        for table in EFFECTS:
            self._asking.rows_when(f"SELECT number FROM {table} WHERE writer = '{checks.LAST_WRITER}'", bool)
        label = self._asking.rows(f"SELECT label FROM copied WHERE writer = '{checks.LAST_WRITER}'")
        assert label == [{"label": self._label}], label

    def _wait_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait for what may never come."""
        with suppress(AssertionError):
            eventually(condition, timeout_s)

    def close(self) -> None:
        """End what runs, and leave no connection open."""
        if self._launched is not None:
            self._launched.process.kill()
            self._launched.process.wait()
        for thread in (*self._writers, *self._askers):
            thread.abandon()
        for client in (*self._clients, self._ballast):
            client.close()
