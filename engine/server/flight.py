"""Queries over Arrow Flight: ``DoGet`` with a JSON ticket, at a socket of this machine."""

import logging
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.flight as fl

from engine.columns.types import with_true_type
from engine.query.stopping import Stop
from engine.runtime import Engine
from engine.server.figures import CallFigures
from engine.server.flight_calls import CALL, Call, Calls, Handshake
from engine.server.flight_errors import told
from engine.server.flight_rows import attended
from engine.server.tickets import Asked, parse_ticket
from engine.server.workers import MOST_QUERIES

logger = logging.getLogger(__name__)

MOST_MESSAGE_BYTES = 2**20
"""Rows go out in messages of about this size at most: some clients take 4 MiB, and what waits for a slow one is bounded."""


class FlightServer(fl.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Answers ``DoGet`` from ``engine`` at the socket ``path``, in threads of its own, from the time it is made."""

    def __init__(self, engine: Engine, path: str, figures: CallFigures) -> None:
        super().__init__(
            fl.Location.for_grpc_unix(path),
            auth_handler=Handshake(),
            middleware={CALL: Calls(engine, figures)},
        )
        self._engine = engine
        self._pool = ThreadPoolExecutor(MOST_QUERIES, "flight-query")

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        """Run the query of ``ticket``; its rows are made while they are sent, and it ends when its client leaves."""
        with told():
            asked = parse_ticket(ticket.ticket)
            logger.debug("flight query database=%s", asked.database)
            stop = Stop()
            made = attended(self._pool, _made(self._engine, asked, stop), stop, context.is_cancelled)
            schema = next(item for item in made if isinstance(item, pa.Schema))
        return fl.GeneratorStream(schema, _messages(made, schema, context.get_middleware(CALL)))

    def shutdown(self) -> None:
        """Take no more calls; return when those under way have ended."""
        super().shutdown()
        self._pool.shutdown(wait=False)


def hydrated(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` without dictionaries and views, which not every client reads; metadata stays while it is true."""
    fields = [with_true_type(field.with_type(_plain(field.type))) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def split(batch: pa.RecordBatch, most_bytes: int = MOST_MESSAGE_BYTES) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``batch`` in parts of about ``most_bytes`` at most, but of one row at least."""
    parts = max(1, -(-batch.nbytes // most_bytes))
    rows = max(1, -(-batch.num_rows // parts))
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _made(engine: Engine, asked: Asked, stop: Stop) -> Generator[pa.Schema | pa.RecordBatch]:
    """Yield the columns of a query as clients see them, and then its rows in messages."""
    with engine.query(asked.database, asked.sql, asked.params, stop) as result:
        schema = hydrated(result.schema)
        yield schema
        for batch in result.batches:
            for part in split(batch):
                columns = [c if c.type == f.type else c.cast(f.type) for c, f in zip(part.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _messages(made: Iterator[pa.RecordBatch | None], schema: pa.Schema, call: Call) -> Iterator[pa.RecordBatch]:
    """Yield what is ``made``, and a message without rows where a client, or who is between, may wonder whether any come."""
    nothing = pa.RecordBatch.from_pylist([], schema=schema)
    with told():
        for batch in made:
            yield nothing if batch is None else batch
    call.is_complete = True


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(type_):
        return _plain(type_.value_type)
    if pa.types.is_string_view(type_):
        return pa.string()
    if pa.types.is_binary_view(type_):
        return pa.binary()
    if pa.types.is_list(type_):
        return pa.list_(_plain_field(type_.value_field))
    if pa.types.is_struct(type_):
        return pa.struct([_plain_field(type_.field(number)) for number in range(type_.num_fields)])
    return type_


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain(field.type))
