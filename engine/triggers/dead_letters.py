"""Dead letters as rows: the input of work that was given up, as JSON, and what is known of it.

A letter is a row of its table whose time is the letter's id. Text that is too long for one row goes on in rows at the
times that follow. A letter that is done with, or failed again, gets some of its fields anew.
"""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from engine.columns.payload import decode_rows
from engine.host.batches import PayloadFiles
from engine.host.protocol import PayloadRef, TableBatch
from engine.lineprotocol.lines import Line
from engine.model.schema import Column, ColumnType, TableSchema
from engine.triggers.ends import Letter, RunEnd
from engine.triggers.journal import Stamps
from engine.triggers.records import DEAD_LETTERS, Origin, line

MOST_PIECE_CHARACTERS = 250_000
"""So much of a letter's input fits into one row, whatever the characters are."""

OPEN = "open"
FAILED_AGAIN = "failed again"
RETRIED = "retried"
DELETED = "deleted"


def letter_lines(letter: Letter, stamps: Stamps) -> list[Line]:
    """Return the rows of a dead letter, or of several: one per table of a batch."""
    lines: list[Line] = []
    for table, rows, text in _inputs(letter):
        pieces = [text[at : at + MOST_PIECE_CHARACTERS] for at in range(0, len(text), MOST_PIECE_CHARACTERS)]
        times = stamps.take(len(pieces))
        lines.append(_first_line(letter, table, rows, pieces, times[0]))
        lines += [
            _piece_line(letter.end.origin, piece, time) for piece, time in zip(pieces[1:], times[1:], strict=True)
        ]
    return lines


def done_with_lines(letter_id: int, pieces: int, state: str, now_ns: int) -> list[Line]:
    """Return what is written of a letter that is done with: ``state`` is ``retried`` or ``deleted``; its input goes."""
    first = line(DEAD_LETTERS, {"state": state, "resolved": now_ns, "input": ""}, letter_id)
    return [first, *(line(DEAD_LETTERS, {"input": ""}, letter_id + i) for i in range(1, pieces))]


def failed_again_line(letter_id: int, end: RunEnd) -> Line:
    """Return what is written of a letter whose run failed again."""
    record = end.record
    fields: dict[str, str | int] = {
        "state": FAILED_AGAIN,
        "attempts": record.attempt,
        "run_id": end.origin.run_id,
        "error": record.error,
        "traceback": record.details,
    }
    return line(DEAD_LETTERS, fields, letter_id)


def _first_line(letter: Letter, table: str, rows: int, pieces: list[str], time_ns: int) -> Line:
    origin, record = letter.end.origin, letter.end.record
    fields: dict[str, str | int] = {
        "database_name": origin.database,
        "trigger_name": origin.trigger_name,
        "plugin_filename": origin.plugin_filename,
        "run_id": origin.run_id,
        "kind": record.kind,
        "state": OPEN,
        "attempts": letter.attempts,
        "error": record.error,
        "traceback": record.details,
        "input": pieces[0],
        "pieces": len(pieces),
        "rows": rows,
        "table_name": table,
    }
    if record.due_ns is not None:
        fields["due"] = record.due_ns
    return line(DEAD_LETTERS, fields, time_ns)


def _piece_line(origin: Origin, piece: str, time_ns: int) -> Line:
    return line(DEAD_LETTERS, {"database_name": origin.database, "input": piece}, time_ns)


def _inputs(letter: Letter) -> Iterator[tuple[str, int, str]]:
    """Yield (table, number of rows, JSON) for each table of a batch; a schedule's call time without table."""
    if letter.end.record.kind == "schedule":
        yield "", 0, json.dumps({"call_time_ns": letter.end.record.due_ns})
    files = PayloadFiles()
    for batch in letter.batches:
        rows = sum(ref.row_count for ref in batch.payloads)
        yield batch.table, rows, json.dumps(_batch(batch, files), ensure_ascii=False)


def _batch(batch: TableBatch, files: PayloadFiles) -> dict[str, Any]:
    """Return column types and rows; the time is integer nanoseconds, unwritten columns are left out."""
    schema = TableSchema(0, 0, batch.table, tuple(Column(n, ColumnType.from_short(t)) for n, t in batch.columns))
    told: dict[str, Any] = {"table": batch.table, "columns": dict(batch.columns)}
    try:
        return told | {"rows": [row for ref in batch.payloads for row in _rows(ref, schema, files)]}
    except (OSError, ValueError) as gone:  # the log's files are not what they were; the letter still tells the rest
        return told | {"lost": f"{type(gone).__name__}: {gone}"}


def _rows(ref: PayloadRef, schema: TableSchema, files: PayloadFiles) -> Iterator[dict[str, Any]]:
    decoded = decode_rows(ref.encoding, files.payload(ref), schema).slice(ref.first_row, ref.row_count)
    columns = {c.name: _values(decoded.column(c.name)) for c in schema.columns}
    for i in range(decoded.num_rows):
        yield {name: values[i] for name, values in columns.items() if values[i] is not None}


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
