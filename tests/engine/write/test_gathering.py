from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from engine.errors import EngineError, InvalidRequest, Unavailable
from engine.model.precision import Precision
from engine.runtime import Engine
from engine.wal.format import SchemaRecord
from engine.wal.ports import Entry
from engine.write.gathering import MOST_TOGETHER_BYTES
from engine.write.service import LinesRejected, WriteOutcome, WriteParams
from tests.support.clock import ManualClock
from tests.support.engines import WAIT_S, eventually, open_engine, query
from tests.support.wal import SlowDisk

PARAMS = WriteParams("db", Precision.NANOSECOND)
WHOLE = WriteParams("db", Precision.NANOSECOND, accept_partial=False)
AT_ONCE = WriteParams("db", Precision.NANOSECOND, no_sync=True)


class Told:
    """What a small write came to."""

    def __init__(self, engine: Engine, body: str | bytes, params: WriteParams = PARAMS) -> None:
        self._results: SimpleQueue[WriteOutcome | Exception] = SimpleQueue()
        engine.small_writes.add(params, body if isinstance(body, bytes) else body.encode(), self._results.put)

    def result(self) -> WriteOutcome:
        """Return what was told, or raise it."""
        result = self._results.get(timeout=WAIT_S)
        assert self._results.empty()
        if isinstance(result, Exception):
            raise result
        return result

    @property
    def is_told(self) -> bool:
        """Return whether anything was told."""
        return not self._results.empty()


@contextmanager
def busy(tmp_path: Path, clock: ManualClock | None = None) -> Iterator[tuple[Engine, SlowDisk]]:
    """Open an engine with a table ``cpu`` whose disk is busy until it is released."""
    disk = SlowDisk()
    with open_engine(tmp_path, disk=disk, clock=clock) as engine:
        engine.tables.create_database("db")
        Told(engine, "cpu v=0 0").result()
        disk.hold()
        first = Told(engine, "cpu v=1 1")
        assert disk.sync_began.wait(WAIT_S)
        try:
            yield engine, disk
        finally:
            disk.release()
        first.result()


def test_what_waits_together_is_one_record_and_one_frame(tmp_path: Path) -> None:
    with busy(tmp_path) as (engine, disk):
        before, frames = engine.wal.next_position, len(disk.frames)
        waiting = [Told(engine, f"cpu v={n} {n}") for n in range(2, 42)]
        assert not any(told.is_told for told in waiting)
        disk.release()
        assert {told.result() for told in waiting} == {WriteOutcome(1, ())}
        assert engine.wal.next_position == before + 1
        assert len(disk.frames) == frames + 1
        rows = query(engine, "db", "SELECT v, time FROM cpu ORDER BY time")
        assert rows == [{"v": float(n), "time": n} for n in range(42)]


def test_more_than_is_parsed_at_a_time_comes_with_the_next_group(tmp_path: Path) -> None:
    with busy(tmp_path) as (engine, disk):
        before = engine.wal.next_position
        text = "x" * (MOST_TOGETHER_BYTES // 4)
        waiting = [Told(engine, f'cpu s="{text}" {n}') for n in range(2, 11)]
        disk.release()
        assert {told.result() for told in waiting} == {WriteOutcome(1, ())}
        assert engine.wal.next_position == before + 4  # a schema record is one of them
        assert query(engine, "db", "SELECT count(s) AS n FROM cpu") == [{"n": 9}]


def test_each_writer_is_told_of_its_own_lines(tmp_path: Path) -> None:
    with busy(tmp_path) as (engine, disk):
        good = Told(engine, "cpu v=2 2\ncpu v=3 3")
        partial = Told(engine, "# words\ncpu v=4 4\n\ncpu v=\ncpu v=5 5")
        whole = Told(engine, "cpu v=6 6\ncpu v=", WHOLE)
        misfit = Told(engine, 'cpu v=7 7\ncpu v="text" 8')
        whole_misfit = Told(engine, 'cpu v=8 8,\ncpu v="text" 9', WHOLE)
        empty = Told(engine, "# words")
        late = Told(engine, "cpu v=9 9")
        disk.release()
        assert (good.result(), late.result()) == (WriteOutcome(2, ()), WriteOutcome(1, ()))
        assert [(r.line_number, r.original_line) for r in partial.result().rejected] == [(2, "cpu v=")]
        assert [(r.line_number, r.original_line) for r in misfit.result().rejected] == [(2, 'cpu v="text" 8')]
        for refused in (whole, whole_misfit):
            with pytest.raises(LinesRejected):
                refused.result()
        with pytest.raises(InvalidRequest, match="incoming write was empty"):
            empty.result()
        found = [row["time"] for row in query(engine, "db", "SELECT time FROM cpu ORDER BY time")]
        assert found == [0, 1, 2, 3, 4, 5, 7, 9]


def test_writes_of_several_databases_and_without_sync_wait_together(tmp_path: Path) -> None:
    with busy(tmp_path) as (engine, disk):
        engine.tables.create_database("other")
        before, frames = engine.wal.next_position, len(disk.frames)
        waiting = [
            Told(engine, f"cpu v={n} {n}", params)
            for n in (2, 3)
            for params in (PARAMS, AT_ONCE, WriteParams("other", Precision.SECOND))
        ]
        disk.release()
        assert {told.result() for told in waiting} == {WriteOutcome(1, ())}
        assert (engine.wal.next_position, len(disk.frames)) == (before + 4, frames + 1)
        assert query(engine, "other", "SELECT time FROM cpu ORDER BY time") == [
            {"time": 2 * 10**9},
            {"time": 3 * 10**9},
        ]


def test_without_sync_the_answer_comes_before_it(tmp_path: Path) -> None:
    disk = SlowDisk()
    with open_engine(tmp_path, disk=disk) as engine:
        engine.tables.create_database("db")
        disk.hold()
        assert Told(engine, "cpu v=1 1", AT_ONCE).result() == WriteOutcome(1, ())
        assert disk.sync_began.wait(WAIT_S)
        disk.release()
        eventually(lambda: engine.wal.reader.head)


def test_lines_without_time_have_that_of_their_own_arrival(tmp_path: Path) -> None:
    clock = ManualClock()
    with busy(tmp_path, clock) as (engine, disk):
        arrivals = []
        waiting = []
        for n in range(2, 5):
            clock.advance(1_000_000_007)
            arrivals.append(clock.now_ns())
            waiting.append(Told(engine, f"mem v={n}"))
        disk.release()
        assert [told.result().accepted for told in waiting] == [1, 1, 1]
        assert [r["time"] for r in query(engine, "db", "SELECT time FROM mem ORDER BY time")] == arrivals


def test_a_table_that_is_deleted_meanwhile_is_made_anew(tmp_path: Path) -> None:
    with busy(tmp_path) as (engine, disk):
        database = engine.catalog.state.database("db")
        assert database is not None
        schema = engine.store.schemas.find(database.database_id, "cpu")
        assert schema is not None
        gone = SchemaRecord(schema.database_id, schema.table_id, schema.name, schema.version, (), deleted=True)
        engine.wal.append(Entry([gone]))
        waiting = [Told(engine, f"cpu v={n} {n}") for n in (2, 3)]
        disk.release()
        assert [told.result().accepted for told in waiting] == [1, 1]
        assert query(engine, "db", "SELECT time FROM cpu ORDER BY time") == [{"time": 2}, {"time": 3}]


def test_a_body_that_is_not_text_is_refused_at_once(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine:
        engine.tables.create_database("db")
        with pytest.raises(InvalidRequest, match="invalid utf-8 sequence of 1 bytes from index 6"):
            Told(engine, b"cpu v=\xff")


@pytest.mark.parametrize(("database", "text"), [("none", "database not found: none"), ("gone", "marked for deletion")])
def test_a_database_must_be_there(tmp_path: Path, database: str, text: str) -> None:
    with open_engine(tmp_path) as engine:
        engine.tables.create_database("gone")
        engine.tables.delete_database("gone")
        names = [name for name, deleted in engine.tables.databases(True) if deleted]
        name = names[0] if database == "gone" else database
        with pytest.raises(EngineError, match=text):
            Told(engine, "cpu v=1", WriteParams(name)).result()


def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    with open_engine(tmp_path) as engine:
        engine.tables.create_database("db")
    with pytest.raises(Unavailable, match="going down"):
        Told(engine, "cpu v=1")
