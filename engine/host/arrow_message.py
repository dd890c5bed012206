"""Rows that a plugin writes as columns ⇄ the message in which they travel."""

import pyarrow as pa

from engine.columns.types import ARROW
from engine.errors import InvalidRequest
from engine.host.protocol import ArrowRows
from engine.model.schema import TIME_COLUMN, ColumnType

COLUMN_TYPES = {kind: column for column, kind in ARROW.items()}


def encode_columns(table: str, batch: pa.RecordBatch) -> ArrowRows:
    """Return ``batch``, whose columns are as ``ArrowRows`` says."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return ArrowRows(table, batch.num_rows, sink.getvalue().to_pybytes())


def decode_columns(rows: ArrowRows) -> tuple[dict[str, ColumnType], pa.RecordBatch]:
    """Return what each column holds, and the columns; they point into the message.

    The message comes from a process that runs anybody's code, so every byte of it is checked.

    Raises:
        InvalidRequest: the columns are not what ``ArrowRows`` says.
    """
    try:
        with pa.ipc.open_stream(rows.stream) as reader:
            batch = reader.read_next_batch()
        batch.validate(full=True)
        kinds = {field.name: COLUMN_TYPES[field.type] for field in batch.schema}
    except (pa.ArrowException, OSError, StopIteration, KeyError, ValueError) as error:
        raise InvalidRequest(f"columns for table '{rows.table}' cannot be read: {error}") from error
    times = [name for name, kind in kinds.items() if kind is ColumnType.TIME]
    has_fields = any(kind not in (ColumnType.TAG, ColumnType.TIME) for kind in kinds.values())
    is_named = rows.table and all(kinds) and len(kinds) == batch.num_columns and times in ([], [TIME_COLUMN])
    if not is_named or not has_fields or not batch.num_rows == rows.row_count > 0:
        raise InvalidRequest(f"columns for table '{rows.table}' are not as they were announced")
    if times and batch.column(TIME_COLUMN).null_count:
        raise InvalidRequest(f"columns for table '{rows.table}' have rows without time")
    return kinds, batch
