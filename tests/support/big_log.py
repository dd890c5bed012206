"""Makes a log of any size without a server: one that was killed before it wrote any of its rows to files."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from engine.clock import SystemClock
from engine.columns.payload import encode_rows, encode_values
from engine.columns.types import storage_schema
from engine.disk import AppendFile, RealDisk
from engine.model.schema import TableSchema
from engine.paths import NodePaths
from engine.runtime import Engine
from engine.settings import Settings
from engine.storage.manifest import decode_manifest
from engine.wal.folder import LogFolder
from engine.wal.format import RowsPayload, RowsRecord, encode_record, set_position
from engine.wal.ports import WalConfig
from engine.wal.reader import WalReader
from engine.wal.replay import LogReplay
from tests.support.engines import write

Shape = Literal["lines", "groups", "batches"]
"""Of the log: a frame for each row, frames with 64 rows that were written one by one, rows in batches of 5,000."""

DATABASE = "bench"
TABLE = "cpu"
HOSTS = 50
BATCH_ROWS = 5_000
GROUP = 64
STEP_NS = 1_000_000
FIRST_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class MadeLog:
    """What was made: the rows, their times ``STEP_NS`` apart from ``FIRST_NS`` on, the bytes of the log."""

    rows: int
    size_bytes: int


def make_log(data_dir: Path, node_id: str, size_bytes: int, shape: Shape) -> MadeLog:
    """Make a node with one table ``bench.cpu`` and rows of ``size_bytes`` in its log, none of them in a file."""
    options = {"data-dir": str(data_dir), "node-id": node_id, "http-bind": "127.0.0.1:0", "without-auth": True}
    settings = Settings.resolve(options, {})
    fields = ",".join(f"f{i}=0.0" for i in range(10)) if shape == "batches" else "v=0.0,n=0i"
    with Engine.open(settings) as engine:
        write(engine, DATABASE, f"{TABLE},host=h0 {fields} {FIRST_NS - STEP_NS}")
        database = engine.catalog.state.database(DATABASE)
        schema = engine.store.schemas.find(database.database_id, TABLE) if database else None
    assert schema is not None
    paths = NodePaths(data_dir, node_id)
    manifest = decode_manifest(paths.manifest.read_bytes(), "manifest")
    disk = _QuickDisk()
    replay = LogReplay(disk, paths.wal, after=manifest.rows_until)
    for _ in replay.parts():
        pass
    tail = replay.finish()
    log = LogFolder(disk, SystemClock(), WalConfig(), tail, WalReader(disk, tail.segments, 0, 8))
    log.begin(tail.next_position)
    position, rows, written = tail.next_position, 0, 0
    for group in _groups(schema, shape):
        made = [encode_record(RowsRecord(payload)) for payload in group]
        for number, record in enumerate(made):
            set_position(record, position + number)
        body = b"".join([part for record in made for part in record.parts])
        log.write(position, len(made), body)
        log.sync()
        position += len(made)
        rows += sum(payload.row_count for payload in group)
        written += len(body) + 64
        if written >= size_bytes:
            break
    log.close()
    return MadeLog(rows, written)


def _groups(schema: TableSchema, shape: Shape) -> Iterator[list[RowsPayload]]:
    """Yield the records of one frame after another, without end."""
    if shape == "batches":
        for number in itertools.count():
            yield [_payload(schema, BATCH_ROWS, *encode_rows(_batch(schema, number)))]
    size = GROUP if shape == "groups" else 1
    for first in itertools.count(0, size):
        yield [_payload(schema, 1, *encode_values(_values(schema, n))) for n in range(first, first + size)]


def _payload(schema: TableSchema, rows: int, encoding: int, data: bytes) -> RowsPayload:
    return RowsPayload(schema.table_id, schema.version, rows, encoding, (), data)


def _values(schema: TableSchema, number: int) -> list[list[Any]]:
    of = {"host": f"h{number % HOSTS}", "v": number / 7, "n": number, "time": FIRST_NS + number * STEP_NS}
    return [[of[column.name]] for column in schema.columns]


def _batch(schema: TableSchema, number: int) -> pa.RecordBatch:
    numbers = np.arange(BATCH_ROWS) + number * BATCH_ROWS
    hosts = pa.array([f"h{n % HOSTS}" for n in range(BATCH_ROWS)]).dictionary_encode()
    of = {
        "host": hosts,
        "time": pa.array(FIRST_NS + numbers * STEP_NS, pa.timestamp("ns")),
    }
    arrow = storage_schema(schema)
    arrays = [of.get(f.name, pa.array(numbers / 7)).cast(f.type) for f in arrow]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)


class _QuickDisk(RealDisk):
    """Syncs nothing: what is made here need not survive."""

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        """See ``Disk``."""
        file = super().open_append(path, preallocate_bytes)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file

    def sync_folder(self, path: Path) -> None:
        """See ``Disk``."""
