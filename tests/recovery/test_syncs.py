"""Log-and-recovery, "What tests prove", 2 and 6: acknowledgements follow syncs, and failed syncs acknowledge nothing."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from engine.errors import SyncFailed
from engine.wal.ports import Entry
from tests.support.copier import check_once, copy_rows, drain
from tests.support.disk import CrashingDisk
from tests.support.node import DATABASE, Node


def write_at_last(node: Node, lines: str) -> None:
    """Write ``lines``; once more if they were in one group with the commit that meets the failed sync."""
    try:
        node.write(lines)
    except SyncFailed:
        node.write(lines)


def test_an_acknowledged_write_is_durable_whatever_is_lost(tmp_path: Path) -> None:  # 2
    for seed in range(20):
        disk = CrashingDisk(tmp_path / f"{seed}", seed)
        node = Node(tmp_path / f"{seed}", disk=disk)
        node.write("a v=1 1")
        node.write("a v=2 2", no_sync=True)
        after = node.crashed(tmp_path / f"{seed}-after")
        assert {"v": 1.0} in after.rows("SELECT v FROM a")
        after.close()


@pytest.mark.parametrize("survivors", ["all", "none"])
def test_a_failed_sync_acknowledges_nothing_and_writes_go_on(survivors: str, tmp_path: Path) -> None:  # 6
    disk = CrashingDisk(tmp_path / "node")
    node = Node(tmp_path / "node", disk=disk)
    node.write("a v=1 1")
    disk.fail_next_sync(survivors)  # type: ignore[arg-type]
    with pytest.raises(SyncFailed):
        node.write("a v=2 2")
    assert node.rows("SELECT v FROM a") == [{"v": 1.0}]
    node.write("a v=3 3")
    after = node.crashed(tmp_path / "after")
    assert [r["v"] for r in after.rows("SELECT v FROM a ORDER BY v")] == [1.0, 3.0]
    after.close()


@pytest.mark.parametrize("survivors", ["all", "none"])
def test_a_run_whose_commit_met_a_failed_sync_counts_once(survivors: str, tmp_path: Path) -> None:  # 6
    disk = CrashingDisk(tmp_path / "node")
    node = Node(tmp_path / "node", disk=disk)
    node.trigger("copier", "table:a")
    node.write("a v=1 1")
    disk.fail_next_sync(survivors)  # type: ignore[arg-type]
    copy_rows(node.executor.next())
    write_at_last(node, "b v=1")  # the log has begun a new segment by then
    after = node.crashed(tmp_path / "after")
    drain(after)
    check_once(after, [1.0], [1.0])
    after.close()


def test_a_commit_is_made_again_after_a_failed_sync_without_a_restart(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "node")
    node = Node(tmp_path / "node", disk=disk)
    node.trigger("copier", "table:a")
    node.write("a v=1 1")
    disk.fail_next_sync("none")
    copy_rows(node.executor.next())
    write_at_last(node, "b v=1")
    node.advance(1)
    node.write("b v=2")
    check_once(node, [1.0], [1.0])
    assert node.executor.waiting == 0
    node.close()


def test_a_trigger_that_the_log_did_not_take_is_opened_later(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "node")
    node = Node(tmp_path / "node", disk=disk)
    node.trigger("off", "table:a", enabled=False)
    before = node.engine.wal.append

    def refuse_once(entry: Entry) -> "Future[tuple[int, ...]]":
        node.engine.wal.append = before  # type: ignore[method-assign]
        raise SyncFailed("the disk is away")

    node.engine.wal.append = refuse_once  # type: ignore[method-assign,assignment]
    with pytest.raises(SyncFailed):
        node.engine.set_trigger_enabled(DATABASE, "off", True)
    node.advance(1)
    node.write("a v=1 1")
    assert node.executor.next().run.trigger_name == "off"
    node.close()
