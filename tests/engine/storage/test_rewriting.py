"""Files are compacted beside the server, in a process that lets everybody else go first."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from engine.clock import Clock, SystemClock
from engine.errors import StorageError, Unavailable
from engine.model.schema import TableSchema
from engine.storage.manifest import FileEntry
from engine.storage.rewriting import RewritingProcess, Terms, decode_job, encode_job, is_starved
from engine.storage.snapshot import FileChanges
from tests.support.batches import table_schema
from tests.support.clock import ManualClock
from tests.support.processes import Watched
from tests.support.stores import SMALL, WINDOW_NS, FedStore

S = 1_000_000_000
SCHEMA = table_schema({"host": "tag", "a": "float", "time": "time"})


class SlowAtFirst(ManualClock):
    """A clock by which the first work takes a minute, all others no time."""

    asked = 0

    def monotonic_ns(self) -> int:
        self.asked += 1
        self.advance(60 * S if self.asked == 2 else 0)
        return super().monotonic_ns()


class Nobody:
    """Shall not be asked."""

    def rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


class Deadly(list[FileEntry]):
    """Files for a process that is killed when they are put into its job."""

    def __init__(self, files: Sequence[FileEntry], pid: int) -> None:
        super().__init__(files)
        self._pid = pid
        self._looks = 0

    def __iter__(self) -> Iterator[FileEntry]:
        self._looks += 1
        if self._looks == 2:  # first it is looked how many values there are
            watched = Watched(self._pid)
            os.kill(self._pid, signal.SIGKILL)
            watched.wait_gone()
        return super().__iter__()


@pytest.fixture
def fed(tmp_path: Path) -> FedStore:
    made = FedStore(tmp_path)
    made.create(SCHEMA)
    for part in range(3):
        made.write(SCHEMA, [{"host": f"h{n}", "time": 10 * n + part, "a": float(n)} for n in range(9)])
        made.snapshot()
    return made


def beside(fed: FedStore, clock: Clock | None = None) -> RewritingProcess:
    return RewritingProcess(Nobody(), fed.paths.root, Terms(WINDOW_NS, SMALL), clock or SystemClock(), small_values=0)


@pytest.fixture
def process(fed: FedStore) -> Iterator[RewritingProcess]:
    made = beside(fed)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("took_s", "cpu_s", "expected"),
    [
        pytest.param(2, 0, False, id="not-long"),
        pytest.param(60, 40, False, id="much-to-do"),
        pytest.param(60, 15, False, id="a-quarter-of-a-processor"),
        pytest.param(60, 14, True, id="less-than-that"),
    ],
)
def test_a_process_is_starved_if_it_took_long_and_did_little(took_s: int, cpu_s: int, expected: bool) -> None:
    assert is_starved(took_s * S, cpu_s * S) == expected


def test_a_job_is_read_as_it_was_written(fed: FedStore) -> None:
    files = fed.store.files(SCHEMA.table_id)
    assert decode_job(encode_job(SCHEMA, files)) == (SCHEMA, files)


def test_small_files_are_rewritten_here(fed: FedStore) -> None:
    class Here(Nobody):
        def rewrite(self, schema: TableSchema, files: Sequence[FileEntry]) -> FileChanges:
            return FileChanges(replaced={schema.table_id: list(files)})

    process = RewritingProcess(Here(), fed.paths.root, Terms(WINDOW_NS), SystemClock())
    files = fed.store.files(SCHEMA.table_id)
    assert process.rewrite(SCHEMA, files).replaced == {SCHEMA.table_id: list(files)}
    assert process.pid is None


def test_a_server_that_cannot_start_a_process_rewrites_itself(
    fed: FedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    files = fed.store.files(SCHEMA.table_id)
    process = RewritingProcess(fed.store.rewriter, fed.paths.root, Terms(WINDOW_NS), SystemClock(), small_values=0)
    made = process.rewrite(SCHEMA, files)
    assert sum(file.row_count for file in made.added[SCHEMA.table_id]) == 27
    assert "no process could be started that rewrites files" in caplog.text


@pytest.mark.process
class TestProcess:
    def test_it_makes_the_files_that_the_server_would_make(self, fed: FedStore, process: RewritingProcess) -> None:
        files, rows = fed.store.files(SCHEMA.table_id), fed.rows(SCHEMA)
        here = fed.store.rewriter.rewrite(SCHEMA, files)
        changes = process.rewrite(SCHEMA, files)
        assert changes == here
        assert fed.store.exchange(changes)
        assert sorted(map(str, fed.rows(SCHEMA))) == sorted(map(str, rows))
        assert sorted(map(str, fed.reopened().rows(SCHEMA))) == sorted(map(str, rows))

    def test_everybody_else_goes_first(self, fed: FedStore, process: RewritingProcess) -> None:
        process.rewrite(SCHEMA, fed.store.files(SCHEMA.table_id))
        assert process.pid is not None
        assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE

    def test_where_that_policy_is_not_allowed_it_is_as_nice_as_can_be(self) -> None:
        code = """
import os
from engine.storage import rewriting_child

def refuse(*args):
    raise PermissionError

os.sched_setscheduler = refuse
rewriting_child.step_back(is_urgent=False)
print(os.nice(0))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "19\n"

    def test_one_that_got_no_processor_is_followed_by_one_that_asks_for_more(self, fed: FedStore) -> None:
        process = beside(fed, SlowAtFirst())
        files = fed.store.files(SCHEMA.table_id)
        process.rewrite(SCHEMA, files)
        assert process.pid is None
        process.rewrite(SCHEMA, files)
        assert process.pid is not None
        assert (os.sched_getscheduler(process.pid), psutil.Process(process.pid).nice()) == (os.SCHED_OTHER, 10)
        process.close()

    def test_one_that_dies_changes_nothing_and_the_next_one_goes_on(
        self, fed: FedStore, process: RewritingProcess
    ) -> None:
        files = fed.store.files(SCHEMA.table_id)
        process.rewrite(SCHEMA, files)
        first = process.pid
        assert first is not None
        watched = Watched(first)
        os.kill(first, signal.SIGKILL)
        watched.wait_gone()
        assert process.rewrite(SCHEMA, files).replaced == {SCHEMA.table_id: list(files)}
        assert process.pid not in (None, first)

    def test_one_that_dies_at_its_work_is_told_of(self, fed: FedStore, process: RewritingProcess) -> None:
        files = fed.store.files(SCHEMA.table_id)
        process.rewrite(SCHEMA, files)
        first = process.pid
        assert first is not None
        with pytest.raises(ChildProcessError, match=f"the process that does it is gone: pid={first}"):
            process.rewrite(SCHEMA, Deadly(files, first))
        assert process.rewrite(SCHEMA, files).replaced == {SCHEMA.table_id: list(files)}

    def test_a_damaged_file_is_not_replaced_without_its_rows(self, fed: FedStore, process: RewritingProcess) -> None:
        files = fed.store.files(SCHEMA.table_id)
        path = fed.paths.table_folder(SCHEMA.table_id) / files[0].name
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with pytest.raises(StorageError, match=f"files are not compacted: Parquet file .*{files[0].name} is damaged"):
            process.rewrite(SCHEMA, files)

    def test_a_file_that_was_replaced_meanwhile_is_told_as_the_server_would(
        self, fed: FedStore, process: RewritingProcess
    ) -> None:
        files = fed.store.files(SCHEMA.table_id)
        (fed.paths.table_folder(SCHEMA.table_id) / files[0].name).unlink()
        with pytest.raises(FileNotFoundError, match="was replaced meanwhile"):
            process.rewrite(SCHEMA, files)

    def test_it_ends_with_its_owner(self, fed: FedStore, process: RewritingProcess) -> None:
        files = fed.store.files(SCHEMA.table_id)
        process.rewrite(SCHEMA, files)
        assert process.pid is not None
        watched = Watched(process.pid)
        process.close()
        watched.wait_gone()
        with pytest.raises(Unavailable, match="the server is going down"):
            process.rewrite(SCHEMA, files)
