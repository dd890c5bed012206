"""The bytes of answers in each format."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

import msgspec
import pyarrow as pa

from engine.columns import compute as pc
from engine.errors import QueryFailed
from engine.query.cell_text import display_text, is_nested, json_objects
from engine.query.format_choice import Format
from engine.query.json_rows import are_few, row_type, rows_of
from engine.query.pretty import box_table
from engine.query.text_arrays import EMPTY, bytes_of, joined

if TYPE_CHECKING:
    from typing_extensions import Buffer

MOST_ROWS_AT_ONCE = 65_536
"""A batch with more rows is encoded in parts, so that no text comes near the 2 GiB that one array can hold."""

_JSON = msgspec.json.Encoder()


class Encoder(Protocol):
    """Turns a result into bytes, batch by batch."""

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """Return what can be sent once ``batch`` is there, often nothing.

        Raises:
            QueryFailed: the format has no form for a column.
        """

    def finish(self) -> bytes:
        """Return the rest; to be called once, behind the last batch."""


def encoder(format_: Format, schema: pa.Schema) -> Encoder:
    """Return a new encoder for a result with the columns of ``schema``."""
    return _ENCODERS[format_](schema)


def encode_all(format_: Format, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield the bytes of a whole result; no part is empty."""
    encoding = encoder(format_, schema)
    for batch in batches:
        if data := encoding.encode(batch):
            yield data
    if data := encoding.finish():
        yield data


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, MOST_ROWS_AT_ONCE) for start in range(0, batch.num_rows, MOST_ROWS_AT_ONCE))


class _Json:
    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._row = row_type(tuple(schema.names))
        self._is_empty = True

    def encode(self, batch: pa.RecordBatch) -> bytes:
        if self._row is not None and batch.num_rows > 0 and are_few(batch):
            data = b"," + _JSON.encode(rows_of(self._row, batch.columns))[1:-1]  # the list without its brackets
        else:
            data = b"".join(bytes_of(json_objects(self._names, p.columns, before=",")).tobytes() for p in _parts(batch))
        if not data or not self._is_empty:
            return data
        self._is_empty = False
        return b"[" + data[1:]

    def finish(self) -> bytes:
        return b"[]" if self._is_empty else b"]"


class _JsonLines:
    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._row = row_type(tuple(schema.names))

    def encode(self, batch: pa.RecordBatch) -> bytes:
        if self._row is not None and are_few(batch):
            return _JSON.encode_lines(rows_of(self._row, batch.columns))
        return b"".join(bytes_of(json_objects(self._names, p.columns, after="\n")).tobytes() for p in _parts(batch))

    def finish(self) -> bytes:
        return b""


class _Csv:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._has_header = False

    def encode(self, batch: pa.RecordBatch) -> bytes:
        for field in batch.schema:
            if is_nested(field.type):
                raise QueryFailed(f"Csv error: Nested type {field.type} is not supported in CSV")
        header = b"" if self._has_header else self._header()
        self._has_header = True
        return header + b"".join(bytes_of(_csv_rows(part)).tobytes() for part in _parts(batch))

    def finish(self) -> bytes:
        return b""

    def _header(self) -> bytes:
        names = pa.RecordBatch.from_arrays([pa.array([name]) for name in self._schema.names], names=self._schema.names)
        return bytes_of(_csv_rows(names)).tobytes()


def _csv_rows(batch: pa.RecordBatch) -> pa.Array:
    texts = [pc.fill_null(display_text(column), "") for column in batch.columns]
    # Numbers and times hold nothing that needs quotes.
    bare = [pa.types.is_primitive(column.type) for column in batch.columns]
    cells = [text if is_bare else _csv_quoted(text) for text, is_bare in zip(texts, bare, strict=True)]
    if len(cells) == 1:
        # A line without anything would not be a row.
        cells = [pc.if_else(pc.equal(cells[0], EMPTY), pa.scalar('""'), cells[0])]
    pieces = [piece for cell in cells for piece in (",", cell)][1:]
    return joined(*pieces, "\n")


def _csv_quoted(text: pa.Array) -> pa.Array:
    data = bytes_of(text)
    if not any((data == ord(special)).any() for special in ',"\r\n'):
        return text
    quoted = joined('"', pc.replace_substring(text, '"', '""'), '"')
    return pc.if_else(pc.match_substring_regex(text, '[,"\r\n]'), quoted, text)


class _Pretty:
    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._batches: list[pa.RecordBatch] = []

    def encode(self, batch: pa.RecordBatch) -> bytes:
        self._batches.append(batch)
        return b""

    def finish(self) -> bytes:
        return box_table(self._names, self._batches)


class _Outlet(io.RawIOBase):
    """A file that is only written to, from which the bytes are taken away as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer") -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class _Parquet:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._outlet = _Outlet()
        self._writer: pa.parquet.ParquetWriter | None = None

    def encode(self, batch: pa.RecordBatch) -> bytes:
        if self._writer is None:
            # The module takes its time to load, and few ask for this format.
            import pyarrow.parquet

            self._writer = pyarrow.parquet.ParquetWriter(self._outlet, self._schema)
        self._writer.write_batch(batch)
        return self._outlet.take()

    def finish(self) -> bytes:
        if self._writer is not None:
            self._writer.close()
        return self._outlet.take()


_ENCODERS: dict[Format, Callable[[pa.Schema], Encoder]] = {
    Format.PARQUET: _Parquet,
    Format.CSV: _Csv,
    Format.PRETTY: _Pretty,
    Format.JSON: _Json,
    Format.JSON_LINES: _JsonLines,
}
