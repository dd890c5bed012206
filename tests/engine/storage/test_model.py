"""A store against a model of dicts: late rows, repeated keys, nulls, new columns, several tables, through everything."""

import random
from pathlib import Path
from typing import Any

import pytest

from engine.model.schema import Column, ColumnType, TableSchema
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from engine.query.stored import StoredTables
from engine.wal.format import SchemaRecord
from tests.support.batches import rows_of
from tests.support.stores import FedStore
from tests.support.tables import MemorySystemTables

DATABASE = 3
SPAN = 3_000
"""Times are from 0 to this: thirty windows."""

Key = tuple[Any, ...]


class World:
    """Some tables of a store, and beside them the dicts that they must equal."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.fed = FedStore(folder)
        self.queries = QueryExecutor(QueryConfig(64 << 20, threads=1))
        self.schemas: dict[int, TableSchema] = {}
        self.model: dict[int, dict[Key, dict[str, Any]]] = {}
        for table_id in range(1, 4):
            columns = (Column("host", ColumnType.TAG), Column("v", ColumnType.FLOAT), Column("time", ColumnType.TIME))
            schema = TableSchema(DATABASE, table_id, f"t{table_id}", columns)
            self.schemas[table_id], self.model[table_id] = schema, {}
            self.fed.create(schema)
        self.now = 0

    def write(self) -> None:
        """Write rows: near the end, or anywhere, or once more what was written."""
        table_id = self.chance.choice(list(self.schemas))
        schema = self.schemas[table_id]
        self.now = min(SPAN, self.now + self.chance.randint(0, 150))
        rows = [self._row(schema, table_id) for _ in range(self.chance.choice((1, 3, 40)))]
        self.fed.write(schema, rows)
        for row in rows:
            key = (row["time"], frozenset((t, row[t]) for t in schema.tags if row.get(t) is not None))
            kept = {name: value for name, value in row.items() if value is not None}
            self.model[table_id].setdefault(key, {}).update(kept)

    def _row(self, schema: TableSchema, table_id: int) -> dict[str, Any]:
        known = self.model[table_id]
        row: dict[str, Any] = {"time": self._time()}
        if known and self.chance.random() < 0.3:
            old = self.chance.choice(list(known.values()))
            row = {name: old[name] for name in ("time", *schema.tags) if name in old}
        elif self.chance.random() < 0.9:
            row |= {tag: self.chance.choice("abc") for tag in schema.tags if self.chance.random() < 0.8}
        for column in schema.columns:
            if column.type is ColumnType.FLOAT and self.chance.random() < 0.7:
                row[column.name] = self.chance.choice((None, float(self.chance.randint(0, 99))))
        return row

    def _time(self) -> int:
        late = self.chance.random() < 0.3
        return self.chance.randint(0, SPAN) if late else max(0, self.now - self.chance.randint(0, 60))

    def widen(self) -> None:
        """Add a field or a tag to a table."""
        table_id = self.chance.choice(list(self.schemas))
        schema = self.schemas[table_id]
        if schema.version > 8:
            return
        type_ = self.chance.choice((ColumnType.FLOAT, ColumnType.FLOAT, ColumnType.TAG))
        column = Column(f"c{schema.version}", type_)
        added = ((column.name, type_.short),)
        self.fed.apply(SchemaRecord(DATABASE, table_id, schema.name, schema.version, added, deleted=False))
        self.schemas[table_id] = schema.with_columns([column])

    def restart(self) -> None:
        """Open the folder anew; what no file holds comes from the log."""
        self.fed = self.fed.reopened()

    def look(self) -> None:
        """Compare all tables with the model, read as files and by SQL."""
        for table_id, schema in self.schemas.items():
            expected = sorted(self.model[table_id].values(), key=_order)
            assert sorted(self.fed.rows(schema), key=_order) == expected
            assert sorted(self.sql(f"SELECT * FROM {schema.name}"), key=_order) == expected
            low = self.chance.randint(0, SPAN)
            bounds = f"time >= {_timestamp(low)} AND time < {_timestamp(low + 200)}"
            some = self.sql(f"SELECT * FROM {schema.name} WHERE {bounds}")
            assert sorted(some, key=_order) == [row for row in expected if low <= row["time"] < low + 200]
            assert self.sql(f"SELECT count(*) AS n FROM {schema.name}") == [{"n": len(expected)}]

    def sql(self, text: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        tables = StoredTables(self.fed.store, DATABASE)
        with self.queries.sql(tables, MemorySystemTables(), text, {}) as result:
            return [row for batch in result.batches for row in rows_of(batch)]

    def live(self, steps: int) -> None:
        """Do so many things in an order by chance, and look at the end."""
        deeds = {
            self.write: 12,
            self.fed_snapshot: 3,
            self.fed_compact: 3,
            self.widen: 1,
            self.restart: 1,
            self.look: 2,
        }
        for deed in self.chance.choices(list(deeds), weights=list(deeds.values()), k=steps):
            deed()
        self.look()

    def fed_snapshot(self) -> None:
        """Move the buffers to files."""
        self.fed.snapshot()

    def fed_compact(self) -> None:
        """Put some files together."""
        self.fed.compact(2)


def _timestamp(time_ns: int) -> str:
    return f"arrow_cast({time_ns}, 'Timestamp(Nanosecond, None)')"


def _order(row: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((name, repr(value)) for name, value in row.items())


@pytest.mark.parametrize("seed", range(3))
def test_tables_equal_dicts_whatever_happens(seed: int, tmp_path: Path) -> None:
    World(tmp_path, seed).live(60)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_tables_equal_dicts_for_long(seed: int, tmp_path: Path) -> None:
    World(tmp_path, seed).live(200)
