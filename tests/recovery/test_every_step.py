"""Log-and-recovery, "What tests prove", 1: stop at every step, lose what was not synced, reopen, compare with a model."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import EngineError
from tests.support.copier import check_once, copy_rows, drain
from tests.support.disk import CrashingDisk, Stopped
from tests.support.node import Node

SEEDS_IN_ALL = 6


class Story:
    """What happens to one node, and what it was promised on the way."""

    def __init__(self, folder: Path, disk: CrashingDisk) -> None:
        self.submitted: list[float] = []
        self.acknowledged: list[float] = []
        self.has_trigger = False
        self._number = 0.0
        self.node = Node(folder, disk=disk, wal_segment_size_bytes=64 * 1024)

    def write(self, rows: int = 1) -> None:
        values = [self._number + i + 1 for i in range(rows)]
        self._number = values[-1]
        self.submitted += values
        self.node.write("\n".join(f"a v={v} {int(v)}" for v in values))
        self.acknowledged += values

    def run(self) -> None:
        copy_rows(self.node.executor.next(1))
        self.node.settle()

    def tell(self) -> None:
        """Go through writes, runs, snapshots and a stop in good order."""
        self.node.trigger("copier", "table:a")
        self.has_trigger = True
        self.write()
        self.run()
        self.write(rows=40)
        self.node.engine.snapshot()
        self.run()
        self.write()
        self.run()
        self.node.engine.snapshot()
        self.write()
        self.write()
        self.run()
        self.node.engine.snapshot()
        self.compact()
        self.node.close()

    def compact(self) -> None:
        """Put all files of a table together, as the background does sooner or later."""
        store = self.node.engine.store
        table_id, files = next((t, files) for t, files in store.files_by_table().items() if len(files) > 1)
        changes = store.rewrite(table_id, files)
        assert changes is not None
        assert store.exchange(changes)


def stops_within(told: Callable[[], None]) -> bool:
    """Run ``told``; return whether the power failed in it."""
    try:
        told()
    except (Stopped, EngineError, OSError, AssertionError):
        return True
    return False


def crash_at(step: int, tmp_path: Path, seed: int) -> bool:
    """Tell the story until the disk's operation ``step``; check what is left. Return whether it got to its end."""
    folder = tmp_path / f"{step}-{seed}"
    disk = CrashingDisk(folder / "before", seed)
    disk.stop_at(step)
    stories: list[Story] = []

    def told() -> None:
        stories.append(Story(folder / "before", disk))
        stories[0].tell()

    stopped = stops_within(told)
    disk.crash(folder / "after")
    story = stories[0] if stories else None
    node = Node(folder / "after")
    try:
        if story is not None and story.has_trigger:
            drain(node)
            check_once(node, story.acknowledged, story.submitted)
    finally:
        node.close()
    return not stopped


def steps_of_the_story(tmp_path: Path) -> int:
    disk = CrashingDisk(tmp_path / "whole", 0)
    Story(tmp_path / "whole", disk).tell()
    return disk.steps


@pytest.mark.parametrize("part", range(6))
def test_a_crash_at_any_step_loses_and_doubles_nothing(part: int, tmp_path: Path) -> None:
    steps = steps_of_the_story(tmp_path)
    for step in range(part, steps, 6):
        crash_at(step, tmp_path, seed=step)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS_IN_ALL))
def test_whatever_survives_of_what_was_not_synced(seed: int, tmp_path: Path) -> None:
    for step in range(steps_of_the_story(tmp_path)):
        crash_at(step, tmp_path, seed=1000 + seed)
