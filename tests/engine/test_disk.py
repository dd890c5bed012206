import itertools
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.disk import Disk, RealDisk, replace_file
from engine.errors import FolderInUse
from tests.support.disk import CrashingDisk, Stopped


@pytest.fixture(params=["real", "crashing"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return RealDisk() if request.param == "real" else CrashingDisk(tmp_path)


def test_what_is_written_can_be_read(disk: Disk, tmp_path: Path) -> None:
    disk.make_folder(tmp_path / "a" / "b")
    path = tmp_path / "a" / "b" / "file"
    disk.write(path, b"first, and longer")
    disk.write(path, b"second")
    disk.sync_file(path)
    disk.sync_folder(path.parent)
    assert (disk.read(path), disk.size(path), bytes(disk.map(path))) == (b"second", 6, b"second")
    assert disk.list_folder(tmp_path / "a") == ["b"]
    assert disk.exists(path)
    assert not disk.exists(tmp_path / "c")
    assert disk.free_bytes(path) > 0


def test_files_and_folders_are_for_their_owner_only(disk: Disk, tmp_path: Path) -> None:
    disk.make_folder(tmp_path / "folder")
    disk.write(tmp_path / "folder" / "file", b"")
    assert [p.stat().st_mode & 0o777 for p in (tmp_path / "folder", tmp_path / "folder" / "file")] == [0o700, 0o600]


def test_names_can_be_replaced_linked_and_removed(disk: Disk, tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    disk.write(one, b"1")
    disk.write(two, b"2")
    disk.replace(one, two)
    disk.link(two, three)
    disk.remove(two)
    assert disk.list_folder(tmp_path) == ["three"]
    assert disk.read(three) == b"1"


def test_a_folder_goes_with_everything_in_it(disk: Disk, tmp_path: Path) -> None:
    disk.make_folder(tmp_path / "a" / "b")
    disk.write(tmp_path / "a" / "b" / "file", b"x")
    disk.remove_folder(tmp_path / "a")
    assert disk.list_folder(tmp_path) == []


LARGE = b"0123456789abcdef" * 2**17
"""So much that its space comes back in steps."""


def test_a_large_file_goes_at_once_for_whoever_looks(disk: Disk, tmp_path: Path) -> None:
    disk.write(tmp_path / "file", LARGE)
    mapped = disk.map(tmp_path / "file")
    disk.remove(tmp_path / "file")
    assert not disk.exists(tmp_path / "file")
    disk.write(tmp_path / "file", b"anew")
    assert bytes(mapped) == LARGE
    assert disk.read(tmp_path / "file") == b"anew"


@pytest.mark.parametrize("with_folder", [True, False])
def test_a_large_file_with_another_name_stays(disk: Disk, tmp_path: Path, with_folder: bool) -> None:
    disk.make_folder(tmp_path / "folder")
    disk.write(tmp_path / "folder" / "one", LARGE)
    disk.link(tmp_path / "folder" / "one", tmp_path / "two")
    if with_folder:
        disk.remove_folder(tmp_path / "folder")
    else:
        disk.remove(tmp_path / "folder" / "one")
    assert disk.read(tmp_path / "two") == LARGE


def test_a_large_file_goes_also_when_no_more_files_can_be_opened(tmp_path: Path) -> None:
    disk = RealDisk()
    disk.write(tmp_path / "a", LARGE)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (tmp_path / "next").open("wb") as file:
        resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno(), before[1]))
        try:
            disk.remove(tmp_path / "a")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not disk.exists(tmp_path / "a")


def test_what_is_not_there_cannot_be_removed(disk: Disk, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        disk.remove(tmp_path / "file")


def test_an_append_file_reserves_space_and_writes_anywhere(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "segment"
    file = disk.open_append(path, 4096)
    mapped = disk.map(path)
    file.write_at(10, b"ab", memoryview(b"cd"))
    file.sync()
    assert disk.size(path) == 4096
    assert bytes(mapped[8:16]) == b"\0\0abcd\0\0"
    file.truncate(12)
    file.close()
    file.close()
    assert disk.read(path) == bytes(10) + b"ab"
    disk.open_append(path, 20).close()
    assert disk.read(path) == bytes(10) + b"ab" + bytes(8)


def test_an_empty_file_can_be_mapped(disk: Disk, tmp_path: Path) -> None:
    disk.write(tmp_path / "empty", b"")
    assert bytes(disk.map(tmp_path / "empty")) == b""


def test_a_removed_file_stays_readable_for_who_mapped_it(disk: Disk, tmp_path: Path) -> None:
    disk.write(tmp_path / "file", b"still here")
    mapped = disk.map(tmp_path / "file")
    disk.remove(tmp_path / "file")
    assert bytes(mapped) == b"still here"


def test_a_second_holder_of_a_lock_is_told_who_has_it(disk: Disk, tmp_path: Path) -> None:
    lock = disk.lock(tmp_path / "lock")
    with pytest.raises(FolderInUse, match=rf"{tmp_path} is in use .* \(process {os.getpid()}\)"):
        disk.lock(tmp_path / "lock")
    lock.release()
    lock.release()
    disk.lock(tmp_path / "lock").release()


def outcomes(tmp_path: Path, prepare: Callable[[CrashingDisk], None], look: Callable[[Path], object]) -> set[object]:
    """Return everything that ``look`` finds after a crash behind ``prepare``, over many seeds."""
    found = set()
    for seed in range(60):
        disk = CrashingDisk(tmp_path / f"{seed}", seed)
        prepare(disk)
        found.add(look(disk.crash(tmp_path / f"{seed}-after")))
    return found


def content(root: Path) -> bytes | None:
    path = root / "file"
    return path.read_bytes() if path.exists() else None


def test_a_synced_file_under_a_synced_name_survives(tmp_path: Path) -> None:
    def prepare(disk: CrashingDisk) -> None:
        disk.write(disk.root / "file", b"x" * 2000)
        disk.sync_file(disk.root / "file")
        assert not disk.is_durable(disk.root / "file")
        disk.sync_folder(disk.root)
        assert disk.is_durable(disk.root / "file")

    assert outcomes(tmp_path, prepare, content) == {b"x" * 2000}


def test_a_name_that_was_not_synced_may_be_lost(tmp_path: Path) -> None:
    def prepare(disk: CrashingDisk) -> None:
        disk.write(disk.root / "file", b"x")
        disk.sync_file(disk.root / "file")

    assert outcomes(tmp_path, prepare, content) == {None, b"x"}


def test_content_that_was_not_synced_survives_in_parts(tmp_path: Path) -> None:
    def prepare(disk: CrashingDisk) -> None:
        file = disk.open_append(disk.root / "file", 1536)
        file.sync()
        disk.sync_folder(disk.root)
        file.write_at(0, b"a" * 512, b"b" * 512, b"c" * 512)
        file.close()

    found = outcomes(tmp_path, prepare, content)
    sectors = {tuple(bytes(c[at : at + 512]) for at in (0, 512, 1024)) for c in found if isinstance(c, bytes)}
    whole = set(itertools.product((bytes(512), b"a" * 512), (bytes(512), b"b" * 512), (bytes(512), b"c" * 512)))
    assert len(sectors & whole) >= 6
    assert sectors - whole, "a sector is torn now and then"


def test_names_change_in_any_order_until_they_are_synced(tmp_path: Path) -> None:
    def prepare(disk: CrashingDisk) -> None:
        disk.write(disk.root / "one", b"")
        disk.sync_folder(disk.root)
        disk.write(disk.root / "two", b"")
        disk.remove(disk.root / "one")

    found = outcomes(tmp_path, prepare, lambda root: tuple(sorted(p.name for p in root.iterdir())))
    assert found == {("one",), ("one", "two"), ("two",), ()}


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    def prepare(disk: CrashingDisk) -> None:
        replace_file(disk, disk.root / "file", b"old" * 400)
        disk.stop_at(disk.steps + 3)
        with pytest.raises(Stopped):
            replace_file(disk, disk.root / "file", b"new" * 400)

    assert outcomes(tmp_path, prepare, content) == {b"old" * 400, b"new" * 400}


def test_two_names_of_one_file_are_one_file_after_a_crash(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "before")
    disk.write(disk.root / "file", b"x")
    disk.link(disk.root / "file", disk.root / "other")
    disk.sync_folder(disk.root)
    after = disk.crash(tmp_path / "after")
    assert (after / "file").samefile(after / "other")


def test_what_a_failed_sync_lost_no_later_sync_brings_back(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "before")
    disk.write(disk.root / "file", b"x" * 600)
    disk.sync_folder(disk.root)
    disk.fail_next_sync("none")
    with pytest.raises(OSError, match="input/output"):
        disk.sync_file(disk.root / "file")
    disk.sync_file(disk.root / "file")
    assert disk.read(disk.root / "file") == b"x" * 600
    assert not disk.is_durable(disk.root / "file")
    assert content(disk.crash(tmp_path / "after")) == b""


def test_a_failed_write_leaves_half_of_its_data(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    disk.fail_next_write()
    with pytest.raises(OSError, match="no space"):
        disk.write(tmp_path / "file", b"abcd")
    assert disk.read(tmp_path / "file") == b"ab"


def test_after_the_chosen_step_nothing_happens_any_more(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    disk.write(tmp_path / "file", b"x")
    disk.stop_at(2)
    disk.sync_file(tmp_path / "file")
    for forbidden in (lambda: disk.remove(tmp_path / "file"), lambda: disk.read(tmp_path / "file")):
        with pytest.raises(Stopped):
            forbidden()
    assert (disk.steps, disk.syncs) == (2, 1)
    assert disk.journal == [("write", tmp_path / "file"), ("sync_file", tmp_path / "file")]


def test_a_file_written_past_the_port_counts_as_not_synced(tmp_path: Path) -> None:
    def prepare(disk: CrashingDisk) -> None:
        (disk.root / "file").write_bytes(b"x" * 600)
        disk.sync_folder(disk.root)
        assert not disk.is_durable(disk.root / "file")
        disk.sync_file(disk.root / "file")

    assert outcomes(tmp_path, prepare, content) == {None, b"x" * 600}


def test_what_a_dead_server_held_is_free(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "before")
    disk.lock(tmp_path / "before" / "lock")
    file = disk.open_append(tmp_path / "before" / "file")
    disk.crash(tmp_path / "after")
    RealDisk().lock(tmp_path / "before" / "lock").release()
    file.close()  # which somebody who does not know of it may do
    with pytest.raises(Stopped):
        file.write_at(0, b"x")
