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
from engine.storage.jobs import Interval
from engine.storage.manifest import FileEntry
from engine.storage.rewriting import RewritingProcess, Terms, Thresholds, is_starved
from engine.storage.snapshot import FileChanges
from engine.storage.table import FrozenRows
from tests.support.batches import table_schema
from tests.support.clock import ManualClock
from tests.support.processes import Watched
from tests.support.stores import SMALL, WINDOW_NS, FedStore

S = 1_000_000_000
ALL = Thresholds(small_values=0, small_bytes=0)
SCHEMA = table_schema({"host": "tag", "a": "float", "time": "time"})


class SlowAtFirst(ManualClock):
    """A clock by which the first work takes a minute, all others no time."""

    asked = 0

    def monotonic_ns(self) -> int:
        self.asked += 1
        self.advance(60 * S if self.asked == 2 else 0)
        return super().monotonic_ns()


class Running(ManualClock):
    """A clock by which everything takes a second."""

    def monotonic_ns(self) -> int:
        self.advance(1 * S)
        return super().monotonic_ns()


class Killing(ManualClock):
    """A clock that kills a process, once there is one, when it is asked while that one has a job."""

    pid: int | None = None
    asked = 0

    def monotonic_ns(self) -> int:
        self.asked += self.pid is not None
        if self.asked == 2 and self.pid:  # the first time it is asked whether processes are trusted
            os.kill(self.pid, signal.SIGKILL)
        return super().monotonic_ns()


class Nobody:
    """Shall not be asked."""

    def for_buffer(self, size_bytes: int, bytes_per_s: float) -> "Nobody":
        raise AssertionError

    def write(self, rows: FrozenRows, interval: Interval, changes: FileChanges) -> None:
        raise AssertionError

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
    return RewritingProcess(Nobody(), fed.paths.root, Terms(WINDOW_NS, SMALL), clock or SystemClock(), ALL)


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
    process = RewritingProcess(fed.store.rewriter, fed.paths.root, Terms(WINDOW_NS), SystemClock(), ALL)
    made = process.rewrite(SCHEMA, files)
    assert sum(file.row_count for file in made.added[SCHEMA.table_id]) == 27
    assert "no process could be started that writes files" in caplog.text


@pytest.mark.process
class TestProcess:
    def test_it_makes_the_files_that_the_server_would_make(self, fed: FedStore, process: RewritingProcess) -> None:
        files, rows = fed.store.files(SCHEMA.table_id), fed.rows(SCHEMA)
        here = fed.store.rewriter.rewrite(SCHEMA, files)
        changes = process.rewrite(SCHEMA, files)
        assert (changes.added, changes.replaced) == (here.added, here.replaced)
        assert changes.found == {(SCHEMA.table_id, file.name) for file in here.added[SCHEMA.table_id]}
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
from engine.storage.rewriting import step_back

def refuse(*args):
    raise PermissionError

os.sched_setscheduler = refuse
step_back(os.getpid(), is_urgent=False)
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


@pytest.mark.parametrize(
    ("size_bytes", "bytes_per_s", "is_beside"),
    [
        pytest.param(4 << 20, 0, True, id="quiet"),
        pytest.param((4 << 20) - 1, 0, False, id="small"),
        pytest.param(1 << 30, 10 << 20, True, id="calm"),
        pytest.param(1 << 30, (10 << 20) + 1, False, id="in-a-hurry"),
    ],
)
def test_a_large_buffer_is_written_beside_while_not_too_much_comes(
    tmp_path: Path, size_bytes: int, bytes_per_s: float, is_beside: bool
) -> None:
    here = Nobody()
    process = RewritingProcess(here, tmp_path, Terms(WINDOW_NS), SystemClock())
    assert process.for_buffer(size_bytes, bytes_per_s) is (process if is_beside else here)


class Here(Nobody):
    """Writes as the server does, and knows how often."""

    def __init__(self, fed: FedStore) -> None:
        self.calls = 0
        self._writer = fed.store.rewriter

    def write(self, rows: FrozenRows, interval: Interval, changes: FileChanges) -> None:
        self.calls += 1
        self._writer.write(rows, interval, changes)


@pytest.mark.process
class TestBuffers:
    """A buffer is written by the process as the server would; whatever happens to the process, it is written."""

    def use(self, fed: FedStore, clock: Clock | None = None, patience_s: float = 60.0) -> tuple[RewritingProcess, Here]:
        here = Here(fed)
        limits = Thresholds(0, 0, patience_s=patience_s)
        process = RewritingProcess(here, fed.paths.root, Terms(WINDOW_NS, SMALL), clock or SystemClock(), limits)
        fed.store.rewriter = process
        return process, here

    def late_and_new(self, fed: FedStore) -> None:
        fed.write(SCHEMA, [{"host": f"h{n}", "time": 10 * n, "a": -float(n)} for n in range(0, 9, 2)])
        fed.write(SCHEMA, [{"host": "new", "time": 1000 * n, "a": float(n)} for n in range(9)])

    @pytest.fixture
    def twin(self, tmp_path: Path) -> FedStore:
        """Return a store with the same rows, which knows no process."""
        made = FedStore(tmp_path / "twin")
        made.create(SCHEMA)
        for part in range(3):
            made.write(SCHEMA, [{"host": f"h{n}", "time": 10 * n + part, "a": float(n)} for n in range(9)])
            made.snapshot()
        self.late_and_new(made)
        made.snapshot()
        return made

    def test_the_same_files_come_out(self, fed: FedStore, twin: FedStore) -> None:
        process, here = self.use(fed)
        self.late_and_new(fed)
        fed.snapshot()
        process.close()
        assert here.calls == 0
        assert fed.store.files(SCHEMA.table_id) == twin.store.files(SCHEMA.table_id)
        assert sorted(map(str, fed.reopened().rows(SCHEMA))) == sorted(map(str, twin.rows(SCHEMA)))

    def test_while_it_compacts_buffers_are_written_here(self, fed: FedStore, twin: FedStore) -> None:
        process, here = self.use(fed)
        self.late_and_new(fed)
        with process._working:
            fed.snapshot()
        assert (here.calls, process.pid) == (1, None)
        assert fed.store.files(SCHEMA.table_id) == twin.store.files(SCHEMA.table_id)

    def test_one_that_stands_still_is_not_waited_for_and_then_left_alone_for_a_minute(
        self, fed: FedStore, twin: FedStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        clock = Running()
        process, here = self.use(fed, clock, patience_s=0.01)
        process.rewrite(SCHEMA, fed.store.files(SCHEMA.table_id))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        self.late_and_new(fed)
        fed.snapshot()
        assert (here.calls, process.pid) == (1, None)
        assert "a buffer is written here, for its process failed" in caplog.text
        assert fed.store.files(SCHEMA.table_id) == twin.store.files(SCHEMA.table_id)
        self.late_and_new(fed)
        fed.snapshot()
        assert (here.calls, process.pid) == (2, None)
        clock.advance(60 * S)
        patient = RewritingProcess(
            here, fed.paths.root, Terms(WINDOW_NS, SMALL), clock, Thresholds(0, 0, patience_s=60.0)
        )
        fed.store.rewriter = patient
        self.late_and_new(fed)
        fed.snapshot()
        assert here.calls == 2
        patient.close()

    def test_one_that_gets_too_little_is_not_waited_for_to_the_end(
        self, fed: FedStore, twin: FedStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        process, here = self.use(fed, Running(), patience_s=1.0)  # by this clock each group takes a second
        self.late_and_new(fed)
        fed.snapshot()
        assert (here.calls, process.pid) == (1, None)
        assert "others keep the processors busy" in caplog.text
        assert fed.store.files(SCHEMA.table_id) == twin.store.files(SCHEMA.table_id)

    def test_one_that_dies_at_its_work_changes_nothing(self, fed: FedStore, twin: FedStore) -> None:
        clock = Killing()
        process, here = self.use(fed, clock)
        process.rewrite(SCHEMA, fed.store.files(SCHEMA.table_id))
        clock.pid = process.pid
        os.kill(clock.pid or 0, signal.SIGSTOP)  # or it may be done before it is killed
        self.late_and_new(fed)
        fed.snapshot()
        assert (here.calls, process.pid) == (1, None)
        assert fed.store.files(SCHEMA.table_id) == twin.store.files(SCHEMA.table_id)

    def test_the_last_snapshot_of_a_server_is_written_here(self, fed: FedStore, twin: FedStore) -> None:
        process, here = self.use(fed)
        process.close()
        self.late_and_new(fed)
        fed.snapshot()
        assert here.calls == 1
        assert fed.store.files(SCHEMA.table_id) == twin.store.files(SCHEMA.table_id)

    def test_what_the_disk_refuses_is_told_and_tried_again(self, fed: FedStore) -> None:
        process, here = self.use(fed)
        other = table_schema({"host": "tag", "time": "time"}, table_id=77)
        fed.create(other)
        fed.write(other, [{"host": "h", "time": 5}])
        in_the_way = fed.paths.table_folder(other.table_id)
        in_the_way.touch()
        with pytest.raises(FileExistsError):
            fed.snapshot()
        in_the_way.unlink()
        fed.snapshot()
        process.close()
        assert here.calls == 0
        assert [row["host"] for row in fed.reopened().rows(other)] == ["h"]
