import logging
from pathlib import Path

import pytest

from engine.errors import DiskFull
from engine.storage.space import LOOK_EVERY_NS, DiskSpace, Space, decide_space
from tests.support.clock import ManualClock
from tests.support.full_disk import FullDisk


@pytest.mark.parametrize(
    ("free", "before", "expected"),
    [
        (400, Space.ENOUGH, Space.ENOUGH),
        (399, Space.ENOUGH, Space.LOW),
        (200, Space.ENOUGH, Space.LOW),
        (199, Space.LOW, Space.SCARCE),
        (100, Space.SCARCE, Space.SCARCE),
        (99, Space.SCARCE, Space.NONE),
        (124, Space.NONE, Space.NONE),
        (125, Space.NONE, Space.SCARCE),
        (1000, Space.NONE, Space.ENOUGH),
    ],
)
def test_what_free_space_allows(free: int, before: Space, expected: Space) -> None:
    assert decide_space(free, 100, before) is expected


def test_nothing_has_to_stay_free() -> None:
    assert decide_space(0, 0, Space.ENOUGH) is Space.ENOUGH


def test_writes_are_refused_while_there_is_no_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = FullDisk()
    clock = ManualClock()
    space = DiskSpace(disk, tmp_path, 100, clock)
    told = []
    with caplog.at_level(logging.INFO):
        for free in (500, 300, 300, 150, 60, 70, 500):
            disk.free = free
            clock.advance(LOOK_EVERY_NS)
            try:
                space.check()
            except DiskFull as full:
                told.append(str(full))
    assert told == [
        f"the disk is full: {tmp_path} has {free} bytes left, of which 100 stay free for moving rows out of the log "
        "(--min-free-space); writes are taken as soon as there is more"
        for free in (60, 70)
    ]
    assert [(r.levelname, r.getMessage().split(":")[0]) for r in caplog.records] == [
        ("WARNING", "space on the disk is low"),
        ("WARNING", "space on the disk is scarce"),
        ("ERROR", "THE DISK IS FULL"),
        ("INFO", "there is enough space on the disk again"),
    ]
