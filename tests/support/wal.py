"""Builders of log records, an open log, and what stands in its folder."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from engine.clock import Clock, SystemClock
from engine.disk import AppendFile, Bytes, Disk, RealDisk
from engine.host.protocol import NamespaceChange, StateValue
from engine.wal.format import (
    BackfillPlan,
    BackfillRecord,
    CommitRecord,
    ConsumerRecord,
    Record,
    RowsPayload,
    RowsRecord,
    SchemaRecord,
    SkippedRecord,
    StartedRecord,
)
from engine.wal.frames import HEADER_BYTES, Frame, FrameCodec, decode_header
from engine.wal.ports import DurableRecord, Entry, FlushObserver, FramePlanner, NoPlanner, WalConfig
from engine.wal.replay import LogReplay
from engine.wal.wal import Wal, WalPorts, WalStart

TABLE = 11
OTHER_TABLE = 12
TRIGGER = 21
GENERATION = 5

SMALL = WalConfig(segment_bytes=HEADER_BYTES + 2176)


def payload(text: str = "x", table_id: int = TABLE, row_count: int = 1, chain: tuple[int, ...] = ()) -> RowsPayload:
    """Return rows that are recognised by ``text``."""
    return RowsPayload(table_id, 3, row_count, 1, chain, text.encode())


def rows(text: str = "x", table_id: int = TABLE, row_count: int = 1) -> RowsRecord:
    """Return a record of rows that are recognised by ``text``."""
    return RowsRecord(payload(text, table_id, row_count))


def created(table_id: int) -> SchemaRecord:
    """Return the record with which a table begins."""
    return SchemaRecord(1, table_id, f"table {table_id}", 0, (("time", "time"),), deleted=False)


def deleted(table_id: int) -> SchemaRecord:
    """Return the record with which a table ends."""
    return SchemaRecord(1, table_id, f"table {table_id}", 1, (), deleted=True)


def commit(*payloads: RowsPayload, generation: int = GENERATION, run_id: str = "run") -> CommitRecord:
    """Return the end of a run of ``TRIGGER``."""
    return CommitRecord(TRIGGER, generation, run_id, ((1, 2),), None, (TRIGGER,), payloads, ())


def closed(generation: int = GENERATION) -> ConsumerRecord:
    """Return the record that ends a generation of ``TRIGGER``."""
    return ConsumerRecord(TRIGGER, opened=False, generation=generation)


ONE_OF_EACH: tuple[Record, ...] = (
    SchemaRecord(7, TABLE, "cpu, total", 0, (("host", "tag"), ("usage", "float"), ("time", "time")), deleted=False),
    RowsRecord(RowsPayload(TABLE, 3, 2, 1, (), b"two rows in the compact form")),
    RowsRecord(RowsPayload(TABLE, 3, 5000, 2, (TRIGGER, 22), bytes(range(100)))),
    ConsumerRecord(TRIGGER, opened=True, start=3),
    StartedRecord(TRIGGER, 4, "f3a1", 1_795_262_400_000_000_000),
    CommitRecord(
        TRIGGER,
        4,
        "f3a1",
        ((1, 3), (7, 7)),
        1_795_262_400_000_000_000,
        (TRIGGER,),
        (payload("output", OTHER_TABLE, 1, (TRIGGER,)), payload("", TABLE, 0)),
        (
            NamespaceChange("21:4", True, [StateValue("count", b"\x80\x04K\x01."), StateValue("lock", None, True)]),
            NamespaceChange("global", False, [StateValue("gone", None), StateValue("short", b"x", False, 99)]),
        ),
    ),
    CommitRecord(TRIGGER, 4, "", (), None, (), (), ()),
    ConsumerRecord(TRIGGER, opened=False, generation=4),
    SchemaRecord(7, TABLE, "cpu, total", 3, (), deleted=True),
)

LATER_KINDS: tuple[Record, ...] = (
    SkippedRecord(TRIGGER, 4, ((5, 9), (12, 12)), 700),
    SkippedRecord(TRIGGER, 4, (), 0),
    SkippedRecord(TRIGGER, 2**52, ((2**62, 2**63),), 2**40),
    BackfillRecord(TRIGGER, 0, 77, BackfillPlan(-5, None, 12, 9000, 500, True, 1_795_262_400_000_000_000)),
    BackfillRecord(TRIGGER, 4, 77, ranges=((1, 500), (1001, 1500))),
    BackfillRecord(TRIGGER, 4, 77, outcome="done"),
)
"""Kinds that came after the first release of the format; who does not know them refuses the log."""

_ids = st.integers(1, 2**52 - 1)
_positions = st.integers(0, 2**63)
_chains = st.lists(_ids, max_size=3).map(tuple)
_ranges = st.lists(st.tuples(_positions, _positions), max_size=3).map(tuple)
_texts = st.text(max_size=20)
_times = st.integers(-(2**63), 2**63 - 1)
_plans = st.builds(
    BackfillPlan, st.none() | _times, st.none() | _times, _positions, _positions, _positions, st.booleans(), _times
)
_payloads = st.builds(
    RowsPayload,
    _ids,
    st.integers(0, 500),
    st.integers(0, 2**32 - 1),
    st.integers(1, 2),
    _chains,
    st.binary(max_size=200),
)
_values = st.builds(
    StateValue, _texts, st.none() | st.binary(max_size=70), st.booleans(), st.none() | st.integers(0, 2**62)
)
_changes = st.builds(NamespaceChange, _texts, st.booleans(), st.lists(_values, max_size=3))
_columns = st.lists(st.tuples(_texts, _texts), max_size=4).map(tuple)

any_record: st.SearchStrategy[Record] = st.one_of(
    st.builds(SchemaRecord, _ids, _ids, _texts, st.integers(0, 500), _columns, st.booleans()),
    st.builds(RowsRecord, _payloads),
    st.builds(StartedRecord, _ids, _positions, _texts, st.integers(-(2**62), 2**62)),
    st.builds(
        CommitRecord,
        _ids,
        _positions,
        _texts,
        _ranges,
        st.none() | st.integers(-(2**62), 2**62),
        _chains,
        st.lists(_payloads, max_size=3).map(tuple),
        st.lists(_changes, max_size=3).map(tuple),
    ),
    st.builds(ConsumerRecord, _ids, st.booleans(), _positions, _positions),
    st.builds(BackfillRecord, _ids, _positions, _ids, st.none() | _plans, _ranges, _texts),
    st.builds(SkippedRecord, _ids, _positions, _ranges, st.integers(0, 2**40)),
)


@dataclass
class Recorder:
    """An observer that keeps what it is told."""

    records: list[DurableRecord] = field(default_factory=list)

    def on_durable(self, records: Sequence[DurableRecord]) -> None:
        """See ``FlushObserver``."""
        self.records += records


@dataclass(frozen=True)
class LogSetup:
    """How the tests open a log: ``TABLE`` and ``OTHER_TABLE`` are there, ``GENERATION`` of ``TRIGGER`` is open."""

    config: WalConfig = SMALL
    after: int = 0
    observers: Sequence[FlushObserver] = ()
    planner: FramePlanner = field(default_factory=NoPlanner)
    clock: Clock = field(default_factory=SystemClock)
    generations: Mapping[int, int] = field(default_factory=lambda: {TRIGGER: GENERATION})


def open_log(disk: Disk, folder: Path, setup: LogSetup | None = None) -> Wal:
    """Replay the log in ``folder`` and open it."""
    setup = setup or LogSetup()
    replay = LogReplay(disk, folder, setup.after)
    for _ in replay.parts():
        pass
    start = WalStart(replay.finish(), setup.after + 1, setup.generations, (TABLE, OTHER_TABLE))
    return Wal.open(disk, setup.clock, setup.config, start, WalPorts(setup.planner, setup.observers))


@contextmanager
def opened(disk: Disk, folder: Path, setup: LogSetup | None = None) -> Iterator[Wal]:
    """Replay the log in ``folder``, open it, and close it at the end."""
    wal = open_log(disk, folder, setup)
    try:
        yield wal
    finally:
        wal.close()


def write(wal: Wal, *records: Record) -> tuple[int, ...]:
    """Append one entry, wait for it, and return the positions of its records."""
    return wal.append(Entry(records)).result(timeout=10)


def write_log(folder: Path, entries: Sequence[Sequence[Record]], config: WalConfig = SMALL) -> None:
    """Make a log whose frames hold one of ``entries`` each."""
    with opened(RealDisk(), folder, LogSetup(config)) as wal:
        for records in entries:
            write(wal, *records)


def recovered(folder: Path, after: int = 0) -> list[tuple[int, Record]]:
    """Return position and record of what a replay finds, without changing the folder."""
    return [(durable.position, durable.record) for durable in LogReplay(RealDisk(), folder, after).records()]


def texts(folder: Path, after: int = 0) -> list[str]:
    """Return the texts of the ``rows`` that a replay finds."""
    return [bytes(r.rows.data).decode() for _, r in recovered(folder, after) if isinstance(r, RowsRecord)]


def segments(folder: Path) -> list[Path]:
    """Return the files of the log, oldest first."""
    return sorted(folder.glob("*.wal"))


def frames(path: Path) -> list[Frame]:
    """Return the good frames at the beginning of a segment."""
    view = memoryview(path.read_bytes())
    codec = FrameCodec(decode_header(view, str(path)).salt, str(path))
    found, offset = [], HEADER_BYTES
    while (frame := codec.read(view, offset)) is not None:
        found.append(frame)
        offset = frame.end
    return found


def flip(path: Path, offset: int) -> None:
    """Turn one bit of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


class SlowDisk(RealDisk):
    """A disk whose syncs of open files wait, so that a test can let entries gather behind one.

    Attributes:
        sync_began: set as soon as a sync waits.
        frames: how many bytes each write behind a header had.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sync_began = threading.Event()
        self.frames: list[int] = []
        self._may_sync = threading.Event()
        self._may_sync.set()

    def hold(self) -> None:
        """Let the next sync wait for ``release``."""
        self.sync_began.clear()
        self._may_sync.clear()

    def release(self) -> None:
        """Let syncs return again."""
        self._may_sync.set()

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """See ``Disk``."""
        return _SlowFile(self, super().open_append(path, preallocate_bytes))

    def wait(self) -> None:
        """Wait as a sync has to."""
        self.sync_began.set()
        assert self._may_sync.wait(timeout=10)


class _SlowFile:
    def __init__(self, disk: SlowDisk, real: AppendFile) -> None:
        self._disk = disk
        self._real = real

    def write_at(self, offset: int, *parts: Bytes) -> None:
        if offset:
            self._disk.frames.append(sum(map(len, parts)))
        self._real.write_at(offset, *parts)

    def sync(self) -> None:
        self._disk.wait()
        self._real.sync()

    def truncate(self, size: int) -> None:
        self._real.truncate(size)

    def close(self) -> None:
        self._real.close()


def hex_dump(data: bytes) -> str:
    """Return ``data`` as lines of 32 bytes with their offset; a line of ``*`` stands for lines like the one before."""
    lines: list[str] = []
    before = b""
    for at in range(0, len(data), 32):
        line = data[at : at + 32]
        if line != before:
            lines.append(f"{at:06x}  {line.hex(' ', 4)}")
        elif lines[-1] != "*":
            lines.append("*")
        before = line
    return "\n".join([*lines, f"{len(data):06x}", ""])
