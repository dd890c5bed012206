"""Log-and-recovery, "What tests prove", 1, for Parquet files: holes, rewritten files and compaction, stopped at every step."""

from pathlib import Path
from typing import Any

import pytest

from engine.storage.manifest import FileEntry
from tests.support.batches import table_schema
from tests.support.disk import CrashingDisk, Stopped
from tests.support.stores import FedStore

SCHEMA = table_schema({"host": "tag", "a": "float", "b": "integer", "time": "time"})


class Story:
    """A store on a disk that fails, and the rows that the log would hold."""

    def __init__(self, folder: Path, disk: CrashingDisk) -> None:
        self.model: dict[int, dict[str, Any]] = {}
        self.had_holes = False
        self.fed = FedStore(folder, disk)
        self.fed.create(SCHEMA)

    def write(self, *times: int, **fields: float) -> None:
        """Write a row for each of ``times``; it is in the log, whatever becomes of the files."""
        rows = [{"time": time, "host": "h", **fields} for time in times]
        for row in rows:
            self.model.setdefault(row["time"], {}).update(row)  # type: ignore[arg-type]
        self.fed.write(SCHEMA, rows)

    def tell(self) -> None:
        """Make wide files, holes in them, and few of many."""
        self.write(*range(0, 1000, 30), a=1.0)
        self.fed.snapshot()
        self.write(310, b=7)
        self.write(300, 600, b=8)
        self.fed.snapshot()
        self.had_holes = any(file.holes for file in self.files)
        self.write(5000, a=2.0)
        self.fed.snapshot()
        self.fed.compact(3)
        self.write(300, 5000, b=9)
        self.fed.snapshot()
        self.fed.compact(1)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        return self.fed.store.files(SCHEMA.table_id)


def crash_at(step: int, folder: Path) -> None:
    """Stop at the disk's operation ``step``, lose what was not synced, and look what is there after a replay."""
    disk = CrashingDisk(folder / "before", seed=step)
    disk.stop_at(step)
    story = None
    try:
        story = Story(folder / "before", disk)
        story.tell()
    except Stopped:
        pass
    disk.crash(folder / "after")
    if story is None:
        return
    again = story.fed.reopened(folder / "after")
    assert {row["time"]: row for row in again.rows(SCHEMA)} == story.model
    assert len(again.rows(SCHEMA)) == len(story.model), "a key is there twice"
    again.snapshot()
    again.compact()
    rows = again.rows(SCHEMA)
    assert ({row["time"]: row for row in rows}, len(rows)) == (story.model, len(story.model))
    named = {file.name for file in again.store.files(SCHEMA.table_id)}
    assert {path.name for path in again.paths.table_folder(SCHEMA.table_id).iterdir()} == named


@pytest.mark.parametrize("part", range(3))
def test_files_are_whole_after_a_crash_at_any_step(part: int, tmp_path: Path) -> None:
    disk = CrashingDisk(tmp_path / "whole", 0)
    story = Story(tmp_path / "whole", disk)
    story.tell()
    assert story.had_holes
    for step in range(part, disk.steps, 3):
        crash_at(step, tmp_path / str(step))
