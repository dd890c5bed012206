"""Stop at every step of a start that recovers, and of the start after that: nothing is lost or doubled."""

from pathlib import Path

import pytest

from tests.recovery.test_every_step import Story, stops_within
from tests.support.copier import check_once, drain
from tests.support.disk import CrashingDisk
from tests.support.node import Node

STOPPED_AT = 0.8
"""So much of the story was told when the power failed first: log, files and a run under way are there."""


def crashed_story(folder: Path) -> tuple[Path, Story]:
    """Return what is left of a node whose power failed, and what it was promised."""
    whole = CrashingDisk(folder / "whole")
    Story(folder / "whole", whole).tell()
    disk = CrashingDisk(folder / "before")
    disk.stop_at(round(whole.steps * STOPPED_AT))
    stories: list[Story] = []

    def told() -> None:
        stories.append(Story(folder / "before", disk))
        stories[0].tell()

    assert stops_within(told)
    disk.crash(folder / "left")
    return folder / "left", stories[0]


def start_until(source: Path, step: int | None, into: Path, seed: int) -> tuple[Path, int]:
    """Start on a copy of ``source``, and lose power at ``step``; return what is left, and how many steps there were."""
    copied = CrashingDisk(source, seed)
    copied.crash(into / "start")
    disk = CrashingDisk(into / "start", seed)
    if step is not None:
        disk.stop_at(step)
    nodes: list[Node] = []
    stops_within(lambda: nodes.append(Node(into / "start", disk=disk, wal_segment_size_bytes=64 * 1024)))
    steps = disk.steps
    disk.stop_at(disk.steps)
    disk.crash(into / "left")
    for node in nodes:
        stops_within(node.close)
    return into / "left", steps


def check(folder: Path, story: Story) -> None:
    node = Node(folder, wal_segment_size_bytes=64 * 1024)
    try:
        drain(node)
        check_once(node, story.acknowledged, story.submitted)
    finally:
        node.close()


@pytest.fixture
def crashed(tmp_path: Path) -> tuple[Path, Story]:
    return crashed_story(tmp_path)


def test_a_crash_at_any_step_of_a_start_loses_and_doubles_nothing(crashed: tuple[Path, Story], tmp_path: Path) -> None:
    left, story = crashed
    _, steps = start_until(left, None, tmp_path / "all", 0)
    for step in range(steps + 1):
        again, _ = start_until(left, step, tmp_path / f"step-{step}", step)
        check(again, story)


def test_a_start_that_crashes_twice_loses_and_doubles_nothing(crashed: tuple[Path, Story], tmp_path: Path) -> None:
    left, story = crashed
    _, steps = start_until(left, None, tmp_path / "all", 0)
    for step in range(0, steps + 1, 2):
        once, _ = start_until(left, step, tmp_path / f"once-{step}", step)
        twice, _ = start_until(once, steps - step, tmp_path / f"twice-{step}", step + 1000)
        check(twice, story)
