"""SQL queries, answered while their rows are made."""

import sys
from collections.abc import AsyncGenerator, Generator

import msgspec

from engine.errors import DatabaseNotFound, EngineError, InvalidRequest, QueryCancelled
from engine.query.format_choice import Format, choose_format
from engine.query.stopping import Stop
from engine.runtime import Engine
from engine.server.body import read_body
from engine.server.errors import body_for
from engine.server.params import decode_json, from_json, from_query
from engine.server.replies import AnyReply, StreamedReply, typed
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.server.texts import compact_json
from engine.server.workers import Pieces

PIECE_BYTES = 64 * 1024
"""So many bytes go out together; an answer that is shorter goes out whole, with its length."""

Values = dict[str, str | int | float | bool | None]


class SqlQuery(msgspec.Struct):
    """A query as a body asks it."""

    db: str
    q: str
    format: str | None = None
    params: Values | None = None


class _SqlQueryText(msgspec.Struct):
    """A query as a query string asks it; ``params`` is JSON."""

    db: str
    q: str
    format: str | None = None
    params: str | None = None


async def get_sql(context: Context, request: Request) -> AnyReply:
    """Run the SQL of the query string."""
    if not request.query:
        raise InvalidRequest("missing query parameters 'db' and 'q'")
    asked = from_query(request.query, _SqlQueryText)
    values = None if asked.params is None else decode_json(asked.params.encode(), Values | None)
    return await _answer(context, request, SqlQuery(asked.db, asked.q, asked.format, values))


async def post_sql(context: Context, request: Request) -> AnyReply:
    """Run the SQL of the body, whatever the request says of its type."""
    return await _answer(context, request, from_json(await read_body(request), SqlQuery))


def query_error_body(error: EngineError) -> bytes:
    """Return what is said of a query that fails."""
    if isinstance(error, DatabaseNotFound):
        return compact_json({"error": f"query error: {error}"})
    return body_for(error)


def encoded(engine: Engine, query: SqlQuery, format_: Format, stop: Stop | None = None) -> Generator[bytes]:
    """Yield the bytes of the answer in pieces of at least ``PIECE_BYTES``, and last the rest, which may be nothing.

    The query ends before the last piece, which is the only one if the format is collected, or by ``stop``.
    """
    from engine.query.formats import encode_all  # start-up time: 30 ms that only an answer needs

    least_bytes = sys.maxsize if format_.is_collected else PIECE_BYTES
    waiting = bytearray()
    with engine.query(query.db, query.q, query.params or {}, stop) as result:
        for data in encode_all(format_, result.schema, result.batches):
            if not waiting and len(data) >= least_bytes:
                yield data
                continue
            waiting += data
            if len(waiting) >= least_bytes:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting)


async def _answer(context: Context, request: Request, query: SqlQuery) -> AnyReply:
    format_ = choose_format(query.format, request.header(b"accept"))
    stop = Stop()
    workers = context.workers
    pieces = Pieces(workers.queries, encoded(context.engine, query, format_, stop), workers.rows)
    is_streamed = False
    try:
        first = await request.unless_gone(pieces.next()) or b""
        is_streamed = len(first) >= PIECE_BYTES and not format_.is_collected
    finally:
        if not is_streamed:
            _abandon(pieces, stop)
    content_type = format_.value.encode()
    if is_streamed:
        return StreamedReply(200, _streamed(request, first, pieces, stop), ((b"content-type", content_type),))
    return typed(first, content_type)


async def _streamed(request: Request, first: bytes, pieces: Pieces, stop: Stop) -> AsyncGenerator[bytes]:
    """Yield ``first`` and what follows, each made while the one before is sent; the query ends when the client leaves."""
    piece: bytes | None = first
    try:
        while piece is not None:
            pieces.make_ahead()
            yield piece
            piece = await request.unless_gone(pieces.next())
    finally:
        _abandon(pieces, stop)


def _abandon(pieces: Pieces, stop: Stop) -> None:
    """End the query, if it is not at its end: nobody waits for more."""
    stop.stop(QueryCancelled("query error: the query was ended, for nobody waits for its rows"))
    pieces.abandon()


_PATH = "/api/v3/query_sql"

ROUTES: RouteTable = {
    ("GET", _PATH): Route(get_sql, query_error_body),
    ("POST", _PATH): Route(post_sql, query_error_body),
}
