from pathlib import Path
from typing import Any

import pytest

from engine.disk import Disk, RealDisk
from engine.model.schema import TableSchema
from tests.support.batches import table_schema
from tests.support.disk import CrashingDisk
from tests.support.stores import FedStore

SCHEMA = table_schema({"host": "tag", "a": "float", "time": "time"})
OTHER = table_schema({"host": "tag", "a": "float", "time": "time"}, name="mem", table_id=8)


class Notes:
    """Notes which folders it was shown (port ``Warmer``), and what was in them."""

    def __init__(self, *, is_used: bool = True, fails: bool = False) -> None:
        self.is_used = is_used
        self.fails = fails
        self.seen: list[tuple[str, Path, int]] = []

    def warm(self, folder: Path, schema: TableSchema) -> None:
        self.seen.append((schema.name, folder, len(list(folder.iterdir()))))
        if self.fails:
            raise ValueError("no Parquet today")


def fed_store(tmp_path: Path, notes: Notes, disk: Disk | None = None) -> FedStore:
    fed = FedStore(tmp_path, disk)
    fed.store.warmer = notes
    for schema in (SCHEMA, OTHER):
        fed.create(schema)
        fed.write(schema, [{"host": "x", "time": 1}, {"host": "x", "time": 150}])
    return fed


def test_what_the_next_query_reads_was_shown_before(tmp_path: Path) -> None:
    notes = Notes()
    fed = fed_store(tmp_path, notes)
    fed.rows(SCHEMA)
    for number in range(3):
        fed.snapshot()
        view = fed.store.view(SCHEMA)
        assert view.folders == tuple(folder for name, folder, _ in notes.seen[number:] if name == "cpu")
        view.release()
        fed.write(SCHEMA, [{"host": "x", "time": 1_000 * (number + 1)}])
    assert [name for name, _, _ in notes.seen] == ["cpu"] * 3, "nobody reads the other table"
    assert notes.seen[0][2] < notes.seen[1][2] < notes.seen[2][2]


def test_a_query_after_a_snapshot_or_compaction_has_nothing_to_do_on_the_disk(tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path)
    fed = fed_store(tmp_path, Notes(), disk)
    fed.store.view(SCHEMA).release()
    for number in range(4):
        fed.snapshot()
        if number == 3:
            assert fed.compact() > 0
        steps = disk.steps
        view = fed.store.view(SCHEMA)
        assert list((tmp_path / "node" / "file-sets").iterdir()) == list(view.folders), "those from before are gone"
        view.release()
        assert disk.journal[steps:] == []
        fed.write(SCHEMA, [{"host": "x", "time": 1_000 + number}])


def test_a_folder_that_cannot_be_removed_harms_no_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(RealDisk):
        def remove_folder(self, path: Path) -> None:
            raise PermissionError(13, "not yours", str(path))

    fed = fed_store(tmp_path, Notes(), Stubborn())
    for number in range(2):
        fed.snapshot()
        assert len(fed.rows(SCHEMA)) == 2 + number
        fed.write(SCHEMA, [{"host": "x", "time": 1_000 + number}])
    assert "a folder of links that nobody reads is left until the next start" in caplog.text


def test_folders_that_were_shown_go_when_nobody_reads_them(tmp_path: Path) -> None:
    notes = Notes()
    fed = fed_store(tmp_path, notes)
    held = fed.store.view(SCHEMA)
    for number in range(4):
        fed.snapshot()
        fed.write(SCHEMA, [{"host": "x", "time": 1_000 * (number + 1)}])
    held.release()
    fed.store.view(SCHEMA).release()
    assert [folder for _, folder, _ in notes.seen if folder.exists()] == [notes.seen[-1][1]]


@pytest.mark.parametrize("late", [{"host": "x", "time": 1, "a": 2.0}, {"host": "y", "time": 1, "a": 2.0}])
def test_rows_that_come_meanwhile_change_nothing(tmp_path: Path, late: dict[str, Any]) -> None:
    fed = fed_store(tmp_path, Notes())
    fed.rows(SCHEMA)

    class Writes(Notes):
        def warm(self, folder: Path, schema: TableSchema) -> None:
            fed.write(SCHEMA, [late])
            fed.rows(SCHEMA)

    fed.store.warmer = Writes()
    fed.snapshot()
    expected = {("x", 1): {"host": "x", "time": 1}, ("x", 150): {"host": "x", "time": 150}}
    expected[late["host"], 1] = late
    assert {(r["host"], r["time"]): r for r in fed.rows(SCHEMA)} == expected


def test_nothing_is_shown_before_the_first_query(tmp_path: Path) -> None:
    notes = Notes(is_used=False)
    fed = fed_store(tmp_path, notes)
    fed.rows(SCHEMA)
    fed.snapshot()
    assert notes.seen == []


def test_a_snapshot_does_not_fail_because_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fed = fed_store(tmp_path, Notes(fails=True))
    before = fed.rows(SCHEMA)
    fed.snapshot()
    assert fed.rows(SCHEMA) == before
    assert "files were not looked at before their first query table=cpu" in caplog.text
