"""Stop at every step of a backfill, lose what was not synced, reopen: each row of it counts once, and each new row too."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.model.backfill import BackfillRequest, FromStored, Span
from tests.integration.test_backfill import at, copied, goes_on, work_off, write_history
from tests.recovery.test_every_step import stops_within
from tests.support.copier import values_of
from tests.support.disk import CrashingDisk, Stopped
from tests.support.engines import eventually
from tests.support.node import DATABASE, Node

ROWS = 6


class Story:
    """History, a trigger, a backfill with new rows in between, and what was acknowledged."""

    def __init__(self, folder: Path, disk: CrashingDisk, way: str) -> None:
        self.way = way
        self.disk = disk
        self.has_trigger = False
        self.has_begun = False
        self.first_step = 0
        self.new: list[float] = []
        self.node = Node(folder, disk=disk, wal_segment_size_bytes=64 * 1024)

    def write(self, value: float) -> None:
        self.node.write(f"a v={value} {at(0) + int(value)}")
        self.new.append(value)

    def wait(self, condition: Callable[[], object]) -> None:
        """Return when ``condition`` holds; do not wait for what cannot come any more."""
        eventually(lambda: condition() or self.disk.is_stopped, 5)
        if self.disk.is_stopped:
            raise Stopped

    def run(self) -> None:
        self.wait(lambda: self.node.executor.waiting)
        copied(self.node.executor.next())
        self.node.settle()

    def tell(self) -> None:
        node = self.node
        write_history(node, ROWS)
        node.trigger("t", "table:a")
        self.has_trigger = True
        self.first_step = self.disk.steps
        if self.way == "backfill":
            node.engine.backfill(DATABASE, "t", BackfillRequest(Span(), 2))
        else:
            node.engine.begin_trigger_from(DATABASE, "t", FromStored())
        self.has_begun = True
        self.run()
        self.write(100.0)
        node.engine.snapshot()
        for _ in range({"backfill": 3, "from": 1}[self.way]):
            self.run()
        self.wait(lambda: not goes_on(node))
        node.engine.snapshot()
        node.close()


def crash_at(step: int, folder: Path, way: str) -> None:
    disk = CrashingDisk(folder / "before", seed=step)
    disk.stop_at(step)
    stories: list[Story] = []

    def told() -> None:
        stories.append(Story(folder / "before", disk, way))
        stories[0].tell()

    stops_within(told)
    disk.crash(folder / "after")
    if not stories or not stories[0].has_trigger:
        return
    story, node = stories[0], Node(folder / "after")
    try:
        work_off(node)
        counts = Counter(values_of(node, "copies"))
        history = [counts[float(v)] for v in range(ROWS)]
        assert history == [1] * ROWS if story.has_begun else history in ([0] * ROWS, [1] * ROWS)
        assert [counts[value] for value in story.new] == [1] * len(story.new)
        assert list(node.engine.paths.backfills.glob("*")) == []
    finally:
        node.close()


def steps_of(way: str, folder: Path) -> range:
    """Return the steps behind the trigger's creation; those before are others' (``test_every_step``)."""
    disk = CrashingDisk(folder, 0)
    story = Story(folder, disk, way)
    story.tell()
    return range(story.first_step, disk.steps)


@pytest.mark.parametrize("way", ["backfill", "from"])
def test_a_crash_at_any_third_step_loses_and_doubles_nothing(way: str, tmp_path: Path) -> None:
    for step in steps_of(way, tmp_path / "whole")[::3]:
        crash_at(step, tmp_path / str(step), way)


@pytest.mark.long
@pytest.mark.parametrize("way", ["backfill", "from"])
def test_a_crash_at_any_step_loses_and_doubles_nothing(way: str, tmp_path: Path) -> None:
    for step in steps_of(way, tmp_path / "whole"):
        crash_at(step, tmp_path / str(step), way)
