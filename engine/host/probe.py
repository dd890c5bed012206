"""Tells whether the plugin host works with the packages of an environment: ends with status 0, or with a traceback."""

import pyarrow as pa

import engine.host.main  # noqa: F401 - all that a host imports before it is ready
from engine.columns.payload import encode_rows
from engine.columns.types import storage_schema
from engine.host.batches import PayloadFiles, StoredRows
from engine.host.protocol import PayloadRef, TableBatch
from engine.model.schema import Column, ColumnType, TableSchema

COLUMNS = (
    Column("tag", ColumnType.TAG),
    Column("value", ColumnType.FLOAT),
    Column("count", ColumnType.INTEGER),
    Column("time", ColumnType.TIME),
)
ROW = {"tag": "a", "value": 1.5, "count": 2, "time": 3}
MANY_ROWS = 1000


def main(folder: str) -> None:
    """Read rows as a run does, few and many; files go into ``folder``."""
    schema = TableSchema(database_id=0, table_id=0, name="t", columns=COLUMNS)
    columns = [(column.name, column.type.short) for column in COLUMNS]
    for rows in (1, MANY_ROWS):
        batch = pa.RecordBatch.from_pylist([ROW] * rows, schema=storage_schema(schema))
        encoding, data = encode_rows(batch)
        path = f"{folder}/{rows}"
        with open(path, "wb") as file:  # noqa: PTH123 - nothing beside what a run needs
            file.write(data)
        ref = PayloadRef(path, 0, len(data), int(encoding), 1, rows)
        stored = StoredRows(TableBatch("t", columns, [ref]), PayloadFiles())
        if stored.rows() != [ROW] * rows or stored.to_arrow().num_rows != rows:
            raise SystemExit("rows are not read as they were written")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        main(temporary)
