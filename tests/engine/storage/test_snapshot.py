from pathlib import Path

import pytest

from engine.storage.snapshot import write_synced
from tests.support.disk import CrashingDisk

DATA = bytes(range(10))


@pytest.mark.parametrize(
    ("part_bytes", "syncs"),
    [
        pytest.param(10, 1, id="a small file is synced once"),
        pytest.param(4, 3, id="a large one part by part"),
        pytest.param(5, 2, id="the last part may be whole"),
    ],
)
def test_a_file_is_durable_however_it_is_synced(tmp_path: Path, part_bytes: int, syncs: int) -> None:
    disk = CrashingDisk(tmp_path)
    write_synced(disk, tmp_path / "file", memoryview(DATA), part_bytes)
    disk.sync_folder(tmp_path)
    assert (disk.is_durable(tmp_path / "file"), (tmp_path / "file").read_bytes()) == (True, DATA)
    assert disk.syncs == syncs + 1


@pytest.mark.parametrize("part_bytes", [10, 4])
def test_a_file_that_does_not_fit_is_removed(tmp_path: Path, part_bytes: int) -> None:
    disk = CrashingDisk(tmp_path)
    disk.fail_next_write()
    with pytest.raises(OSError, match="no space left"):
        write_synced(disk, tmp_path / "file", memoryview(DATA), part_bytes)
    assert list(tmp_path.iterdir()) == []


def test_a_part_whose_sync_fails_ends_the_file(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    disk.pass_next_sync()
    disk.fail_next_sync()
    with pytest.raises(OSError):  # noqa: PT011  (whatever the disk says)
        write_synced(disk, tmp_path / "file", memoryview(DATA), 4)
    assert list(tmp_path.iterdir()) == []
