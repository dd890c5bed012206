"""Stops the log at every step of the disk, loses what was not synced, and holds what is left against a plain model."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs

from engine.errors import EngineError, StorageError, SyncFailed, Unavailable
from engine.wal.format import Record, StateChange
from engine.wal.ports import Entry
from engine.wal.wal import Wal
from tests.support.disk import CrashingDisk, Stopped
from tests.support.wal import TABLE, LogSetup, commit, open_log, payload, recovered, rows

Positions = tuple[int, ...]


@dataclass
class Model:
    """What the outside world knows of a log.

    Attributes:
        submitted: the records of every entry, in the order of their numbers.
        acknowledged: the positions of the entries that were answered after a sync, by number.
        unsynced: entries whose sync failed, and behind which nothing was acknowledged in the same life.
        void: entries whose sync failed, and that must never be read any more, for the log has gone on.
        after: records up to here are kept elsewhere, so the log may let go of them.
    """

    submitted: list[tuple[Record, ...]] = field(default_factory=list)
    acknowledged: dict[int, Positions] = field(default_factory=dict)
    unsynced: set[int] = field(default_factory=set)
    void: set[int] = field(default_factory=set)
    after: int = 0

    def append(self, wal: Wal, *, no_sync: bool = False, parts: int = 1, size: int = 100) -> None:
        """Append an entry and take note of its answer."""
        number = len(self.submitted)
        filling = f"{number}:".ljust(size, "x")
        change = StateChange("21:5", False, [])
        records: list[Record] = [rows(f"{filling}{part}") for part in range(parts)]
        run = commit(payload(filling), payload(filling + "second"), run_id=str(number))
        records.append(structs.replace(run, changes=(change,)))
        self.submitted.append(tuple(records))
        future = wal.append(Entry(records, no_sync=no_sync))
        self._settle(number, future, no_sync)

    def _settle(self, number: int, future: "Future[Positions]", no_sync: bool) -> None:
        try:
            positions = future.result(timeout=10)
        except SyncFailed:
            self.unsynced.add(number)
        except Unavailable:
            return
        else:
            if not no_sync:
                self.acknowledged[number] = positions
                self.void |= self.unsynced

    def check(self, found: list[tuple[int, Record]]) -> None:
        """Hold the records that a replay found above ``after`` against what is known."""
        positions = [position for position, _ in found]
        assert positions == sorted(set(positions)), "in order, each once"
        by_position = dict(found)
        numbers = self._whole_entries(by_position)
        assert numbers == sorted(numbers), "entries in the order in which they were submitted"
        for number, wanted in self.acknowledged.items():
            if wanted[-1] > self.after:
                kept = tuple(by_position[p] for p in wanted if p > self.after)
                assert kept == self.submitted[number][-len(kept) :], "acknowledged, and there"
        assert not self.void & set(numbers), "failed, and never read once the log went on"

    def _whole_entries(self, found: dict[int, Record]) -> list[int]:
        """Return the numbers of the entries in ``found``, each of which is there as a whole."""
        numbers = []
        left = dict(found)
        while left:
            number = _number_of(next(iter(left.values())))
            for record in self.submitted[number]:
                position = next(iter(left), None)
                assert position is not None, "an entry is there completely or not at all"
                assert left.pop(position) == record
            numbers.append(number)
        return numbers


def _number_of(record: Record) -> int:
    data = record.rows.data if hasattr(record.rows, "data") else record.rows[0].data  # type: ignore[union-attr]
    return int(bytes(data).decode().split(":")[0])


def plain_writes(wal: Wal, disk: CrashingDisk, model: Model) -> None:
    for n in range(6):
        model.append(wal, parts=1 + n % 2)


def without_sync(wal: Wal, disk: CrashingDisk, model: Model) -> None:
    for n in range(6):
        model.append(wal, no_sync=n % 2 == 0)


def rotations_and_removals(wal: Wal, disk: CrashingDisk, model: Model) -> None:
    for _ in range(4):
        model.append(wal, size=400)
        wal.rotate().result(timeout=10)
    model.after = model.acknowledged[1][-1]
    wal.remove_before(model.after + 1)
    model.append(wal)
    model.after = model.acknowledged[3][-1]
    wal.remove_before(model.after + 1)
    model.append(wal)


def failing_syncs(wal: Wal, disk: CrashingDisk, model: Model) -> None:
    model.append(wal)
    disk.fail_next_sync()
    model.append(wal)
    model.append(wal)
    disk.fail_next_sync("all")
    model.append(wal)
    disk.fail_next_sync()
    model.append(wal)
    model.append(wal)
    disk.fail_next_write()
    model.append(wal)
    model.append(wal)


Scenario = Callable[[Wal, CrashingDisk, Model], None]
SCENARIOS: list[Scenario] = [plain_writes, without_sync, rotations_and_removals, failing_syncs]
MOST_STEPS = 80


def run(disk: CrashingDisk, model: Model, scenario: Scenario) -> bool:
    """Open the log on ``disk`` and carry out ``scenario``; return whether it came to its end."""
    model.unsynced.clear()
    try:
        wal = open_log(disk, disk.root / "wal", LogSetup(after=model.after))
    except Stopped:
        return False
    try:
        scenario(wal, disk, model)
    except (Stopped, EngineError):
        return False
    finally:
        wal.close()
    return not disk.is_stopped


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_step_the_power_fails_at(tmp_path: Path, scenario: Scenario) -> None:
    """Every scenario is stopped at each of its steps, and what follows the restart at a step of its own."""
    for step in range(MOST_STEPS):
        model = Model()
        disk = CrashingDisk(tmp_path / f"{step}", seed=step)
        disk.stop_at(step)
        finished = run(disk, model, scenario)
        after = CrashingDisk(disk.crash(tmp_path / f"{step}-a"), seed=step + 1000)
        if (after.root / "wal").exists():
            model.check(recovered(after.root / "wal", model.after))
        after.stop_at(5 + step % 17)
        run(after, model, plain_writes)
        model.check(recovered(after.crash(tmp_path / f"{step}-b") / "wal", model.after))
        if finished:
            return
    pytest.fail("the scenario has more steps than are tried")


def test_a_log_that_a_crash_left_can_be_read_and_written(tmp_path: Path) -> None:
    """A chain of crashes, each log going on from what the one before left."""
    model = Model()
    root = tmp_path / "0"
    for number in range(1, 40):
        disk = CrashingDisk(root, seed=number)
        disk.stop_at(number * 7 % 31)
        run(disk, model, SCENARIOS[number % 2])
        root = disk.crash(tmp_path / f"{number}")
    disk = CrashingDisk(root)
    assert run(disk, model, plain_writes)
    model.check(recovered(root / "wal"))
    wal = open_log(disk, root / "wal")
    read = [ref.position for ref in wal.reader.rows_after(0, (TABLE,))]
    wal.close()
    assert sorted(set(read)) == [position for position, _ in recovered(root / "wal")]


def test_a_power_failure_is_no_damage(tmp_path: Path) -> None:
    """Many random outcomes of one crash in the middle of a group: never an error, never half an entry."""
    for seed in range(80):
        model = Model()
        disk = CrashingDisk(tmp_path / f"{seed}", seed)
        disk.stop_at(14)
        try:
            run(disk, model, plain_writes)
            model.check(recovered(disk.crash(tmp_path / f"{seed}-after") / "wal"))
        except StorageError as exc:
            pytest.fail(f"seed {seed}: {exc}")
