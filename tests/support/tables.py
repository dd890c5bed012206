"""Tables in memory and in Parquet folders, as queries read them, and DataFusion's own writers to compare with."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import DataFrame, SessionConfig, SessionContext

from engine.columns.types import query_schema
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from engine.query.ports import TableSnapshot
from tests.support.batches import rows_of, table_schema

S = 10**9
LARGE_ID = 1_732_000_000_000_000_001
SYSTEM_SCHEMA = pa.schema([("name", pa.string_view()), ("ids", pa.list_(pa.uint16()))])


def query_table_schema(columns: Mapping[str, str], *, name: str = "cpu") -> pa.Schema:
    """Return what queries see of a table, from column names and short types."""
    return query_schema(table_schema(columns, name=name))


def rows_batch(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Return ``rows`` with the columns of ``schema``; missing keys are null."""
    arrays = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class ParquetFolders:
    """Makes folders of Parquet files, each under a new path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = count()

    def folder(self, *files: pa.RecordBatch) -> Path:
        """Return a new folder with one file for each batch."""
        folder = self._root / f"set {next(self._numbers)} [*]"
        folder.mkdir(parents=True)
        for number, batch in enumerate(files):
            pq.write_table(pa.Table.from_batches([batch]), folder / f"{number}.parquet")
        return folder


class MemoryTables:
    """A database's tables (port ``TableSource``) that counts what was opened and released."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.released: list[str] = []
        self._tables: dict[str, tuple[pa.Schema, tuple[Path, ...], tuple[pa.RecordBatch, ...]]] = {}
        self.live: dict[str, object] = {}

    def add(
        self, name: str, schema: pa.Schema, batches: Sequence[pa.RecordBatch] = (), folders: Sequence[Path] = ()
    ) -> "MemoryTables":
        self._tables[name] = (schema, tuple(folders), tuple(batches))
        return self

    def table_names(self) -> list[str]:
        return list(self._tables)

    def table_schema(self, name: str) -> pa.Schema | None:
        return self._tables[name][0] if name in self._tables else None

    def open(self, name: str) -> TableSnapshot | None:
        if name not in self._tables:
            return None
        self.opened.append(name)
        return TableSnapshot(*self._tables[name], release=lambda: self.released.append(name), live=self.live.get(name))


class MemorySystemTables:
    """Two system tables (port ``SystemTables``), one of them without rows."""

    def names(self) -> list[str]:
        return ["queries", "databases"]

    def schema(self, name: str) -> pa.Schema:
        return SYSTEM_SCHEMA

    def read(self, name: str) -> pa.Table:
        rows = [{"name": "foo", "ids": [1, 2]}] if name == "databases" else []
        return pa.Table.from_pylist(rows, schema=SYSTEM_SCHEMA)


class QueryBench:
    """An executor with a database, to ask short questions."""

    def __init__(
        self, tables: MemoryTables, memory_limit_bytes: int = 100_000_000, config: QueryConfig | None = None
    ) -> None:
        self.tables = tables
        self.executor = QueryExecutor(config or QueryConfig(memory_limit_bytes, threads=2))

    def table(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the result of ``sql``."""
        with self.executor.sql(self.tables, MemorySystemTables(), sql, params or {}) as result:
            return pa.Table.from_batches(result.batches, result.schema)

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of ``sql`` as dicts without nulls, times as integers."""
        return rows_of(self.table(sql, params))

    def values(self, sql: str, params: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the first column of ``sql``."""
        column = self.table(sql, params).column(0)
        values: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        return values


CPU = query_table_schema({"host": "tag", "time": "time", "usage": "float"})
IDS = query_table_schema(
    {"test_id": "integer", "big": "uinteger", "on": "boolean", "s": "string", "time": "time", "t": "tag"}
)
TIMES = [2998574931 * S, 2998574932 * S, 2998574933 * S]


def sample_database(root: Path) -> QueryBench:
    """Return a database with a table of files and batches, whose older parts lack columns, and some smaller ones."""
    narrow = query_table_schema({"host": "tag", "time": "time"})
    older = rows_batch(narrow, [{"host": "a", "time": TIMES[0]}])
    newer = rows_batch(CPU, [{"host": "b", "time": TIMES[1], "usage": 0.9}])
    folders = ParquetFolders(root)
    first, second = folders.folder(older), folders.folder(newer, rows_batch(CPU, []))
    # Columns in another order, as they were first written.
    latest = rows_batch(CPU, [{"time": TIMES[2], "usage": 2.0}]).select(["time", "usage", "host"])
    buffered = [rows_batch(narrow, [{"host": "a", "time": TIMES[2]}]), latest]
    tables = MemoryTables().add("cpu", CPU, buffered, [first, second])
    tables.add("Temp", CPU, [newer]).add("%", CPU, [older]).add("none", CPU)
    rows = [
        {"test_id": LARGE_ID, "big": 2**64 - 1, "on": True, "s": "x", "time": 0, "t": "a"},
        {"test_id": -1, "big": 0, "on": False, "s": "y", "time": S, "t": "b"},
        {"time": 2 * S},
    ]
    return QueryBench(tables.add("ids", IDS, [rows_batch(IDS, rows)]))


class RustWriters:
    """The writers that InfluxDB itself uses, reached through DataFusion and a file."""

    def __init__(self, folder: Path) -> None:
        self._context = SessionContext(SessionConfig().with_target_partitions(1))
        self._paths = (folder / str(number) for number in count())

    def json_lines(self, batch: pa.RecordBatch) -> bytes:
        return self._written(batch, lambda frame, path: frame.write_json(path))

    def csv(self, batch: pa.RecordBatch) -> bytes:
        return self._written(batch, lambda frame, path: frame.write_csv(path, with_header=True))

    def print_box(self, batch: pa.RecordBatch) -> None:
        """Print a box table, with a line ``DataFrame()`` in front, past ``sys.stdout``."""
        self._context.read_batch(batch).show(batch.num_rows)

    def _written(self, batch: pa.RecordBatch, write: Callable[[DataFrame, str], None]) -> bytes:
        path = next(self._paths)
        write(self._context.read_batch(batch), f"{path}/")
        return b"".join(file.read_bytes() for file in sorted(path.iterdir()))
