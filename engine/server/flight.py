"""Queries over Arrow Flight: ``DoGet`` with a JSON ticket, at a socket of this machine."""

import logging
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NoReturn, Protocol

import pyarrow as pa
import pyarrow.flight as fl

from engine.auth.tokens import presented_token
from engine.columns.types import with_true_type
from engine.errors import (
    AuthorizationMalformed,
    EngineError,
    Forbidden,
    InvalidRequest,
    QueryCancelled,
    QueryFailed,
    Unauthorized,
    Unavailable,
)
from engine.query.stopping import Stop
from engine.runtime import Engine
from engine.server.flight_rows import attended
from engine.server.tickets import Asked, parse_ticket
from engine.server.workers import MOST_QUERIES

logger = logging.getLogger(__name__)

MOST_MESSAGE_BYTES = 2**20
"""Rows go out in messages of about this size at most: some clients take 4 MiB, and what waits for a slow one is bounded."""

MOST_TEXT = 2000
"""So many characters of an error are told."""


class FlightServer(fl.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Answers ``DoGet`` from ``engine`` at the socket ``path``, in threads of its own, from the time it is made."""

    def __init__(self, engine: Engine, path: str) -> None:
        super().__init__(
            fl.Location.for_grpc_unix(path),
            auth_handler=_Handshake(),
            middleware={"authentication": _Authentication(engine)},
        )
        self._engine = engine
        self._pool = ThreadPoolExecutor(MOST_QUERIES, "flight-query")

    def do_get(self, context: fl.ServerCallContext, ticket: fl.Ticket) -> fl.FlightDataStream:
        """Run the query of ``ticket``; its rows are made while they are sent, and it ends when its client leaves."""
        with _told():
            asked = parse_ticket(ticket.ticket)
            logger.debug("flight query database=%s", asked.database)
            stop = Stop()
            made = attended(self._pool, _made(self._engine, asked, stop), stop, context.is_cancelled)
            schema = next(item for item in made if isinstance(item, pa.Schema))
        return fl.GeneratorStream(schema, _messages(made, schema))

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


class _Authentication(fl.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Lets calls pass that present a valid token."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._tokens = engine.tokens

    def start_call(self, info: fl.CallInfo, headers: dict[str, list[str]]) -> "_TokenOfHandshake | None":
        """Accept a call, or end it with ``UNAUTHENTICATED``; a handshake is told the token of its header."""
        presented = next((value.encode(errors="replace") for value in headers.get("authorization", ())), None)
        with _told():
            self._tokens.authenticate(presented)
            token = presented_token(presented) if info.method == fl.FlightMethod.HANDSHAKE else None
        return None if token is None else _TokenOfHandshake(token)


class _TokenOfHandshake(fl.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """Tells a client the token that it is to send from now on; it may have sent it as a password."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def sending_headers(self) -> dict[str, str]:
        """Return what the answer's headers have besides."""
        return {"authorization": f"Bearer {self._token}"}


class _Words(Protocol):
    """One end of a handshake."""

    def read(self) -> bytes: ...

    def write(self, message: bytes) -> None: ...


class _Handshake(fl.ServerAuthHandler):  # type: ignore[misc]  # pyarrow has no types
    """Answers ``Handshake`` with the client's own words; who may come in is for ``_Authentication`` to say."""

    def authenticate(self, outgoing: _Words, incoming: _Words) -> None:
        """Echo a first message, if there is one."""
        try:
            payload = incoming.read()
        except OSError:
            return  # the client has said all that it has to say in its header
        outgoing.write(payload)

    def is_valid(self, token: bytes) -> bytes:
        """Name nobody; ``token`` is what a client made of the handshake's answer."""
        return b""


class _WithoutTraceback:
    """An error of which a client reads the text only.

    Arrow appends the formatted traceback to what it sends, which would tell the server's folders. Where an exception
    cannot be formatted, it appends the name of the class.
    """

    @property
    def __cause__(self) -> NoReturn:
        raise AttributeError("not for clients")


class InvalidArgument(_WithoutTraceback, pa.ArrowInvalid):  # type: ignore[misc]  # pyarrow has no types
    """``INVALID_ARGUMENT``."""


STATUS: dict[type[EngineError], type[Exception]] = {
    EngineError: fl.FlightInternalError,
    InvalidRequest: InvalidArgument,
    QueryFailed: InvalidArgument,
    QueryCancelled: fl.FlightUnavailableError,
    AuthorizationMalformed: fl.FlightUnauthenticatedError,
    Unauthorized: fl.FlightUnauthenticatedError,
    Forbidden: fl.FlightUnauthorizedError,
    Unavailable: fl.FlightUnavailableError,
}


@contextmanager
def _told() -> Iterator[None]:
    """Raise what fails as the error that Flight turns into a status, see ``STATUS``."""
    try:
        yield
    except EngineError as error:
        kind = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        raise kind(str(error)[:MOST_TEXT]) from None
    except Exception:
        logger.exception("flight call failed")
        raise fl.FlightInternalError("internal error") from None


def _made(engine: Engine, asked: Asked, stop: Stop) -> Generator[pa.Schema | pa.RecordBatch]:
    """Yield the columns of a query as clients see them, and then its rows in messages."""
    with engine.query(asked.database, asked.sql, asked.params, stop) as result:
        schema = hydrated(result.schema)
        yield schema
        for batch in result.batches:
            for part in split(batch):
                columns = [c if c.type == f.type else c.cast(f.type) for c, f in zip(part.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _messages(made: Iterator[pa.RecordBatch | None], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield what is ``made``, and a message without rows where a client, or who is between, may wonder whether any come."""
    nothing = pa.RecordBatch.from_pylist([], schema=schema)
    with _told():
        for batch in made:
            yield nothing if batch is None else batch


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
