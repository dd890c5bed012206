"""Line protocol, in the spellings of versions 3, 2 and 1."""

import asyncio
from concurrent.futures import Future
from functools import lru_cache

import msgspec

from engine.errors import InvalidRequest, LimitExceeded
from engine.model.names import check_bucket_name, check_database_name
from engine.model.precision import Precision
from engine.server.body import check_utf8, decompressed
from engine.server.errors import ParameterRefused, partial_write, v2_body_for
from engine.server.params import QUERY_PREFIX, from_query
from engine.server.replies import NO_CONTENT, AnyReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.write.service import LinesRejected, WriteOutcome, WriteParams

V2_PREFIX = "failed to deserialize org/bucket/precision in request: "
V1_PREFIX = "failed to deserialize db/rp/precision in request: "

NO_RETENTION_POLICY = frozenset({"", "autogen", "default"})
"""These name no retention policy, which means the database itself."""

MOST_SMALL_BYTES = 2048
"""A body up to this size is taken in on the event loop: that is quicker than to wake a thread."""
MOST_SMALL_GZIP_BYTES = 256

KNOWN_QUERIES = 1024
"""So many query strings are remembered with what they mean, for clients send the same one again and again."""


class _V3Params(msgspec.Struct):
    db: str
    precision: str = "auto"
    accept_partial: bool = True
    no_sync: bool = False


class _V2Params(msgspec.Struct):
    bucket: str = ""
    precision: str = "nanosecond"


class _V1Params(msgspec.Struct):
    db: str
    rp: str = ""
    precision: str = "nanosecond"


async def write_lp(context: Context, request: Request) -> AnyReply:
    """Take line protocol; answer when the good lines are durable."""
    if not request.query:
        raise InvalidRequest("missing query parameter 'db'")
    params = v3_params(request.query)
    try:
        outcome = await _written(context, request, params)
    except LinesRejected as error:
        if params.accept_partial:
            raise partial_write(error.rejected) from error
        raise
    if outcome.rejected:
        raise partial_write(outcome.rejected)
    return NO_CONTENT


async def write_v2(context: Context, request: Request) -> AnyReply:
    """Take line protocol, all lines or none."""
    if not request.query:
        raise InvalidRequest("no org/bucket destination provided")
    await _written(context, request, v2_params(request.query), refusal="write buffer error: ")
    return NO_CONTENT


async def write_v1(context: Context, request: Request) -> AnyReply:
    """Take line protocol, all lines or none; where it goes is told in the words of version 1."""
    if not request.query:
        raise ParameterRefused("no db destination provided")
    await _written(context, request, v1_params(request.query))
    return NO_CONTENT


@lru_cache(KNOWN_QUERIES)
def v3_params(query: bytes) -> WriteParams:
    """Return what a query string of version 3 asks for.

    Raises:
        InvalidRequest: a parameter is missing or wrong, or the database may not have this name.
    """
    params = from_query(query, _V3Params)
    precision = _precision(params.precision, QUERY_PREFIX)
    check_database_name(params.db)
    return WriteParams(params.db, precision, params.accept_partial, params.no_sync)


@lru_cache(KNOWN_QUERIES)
def v2_params(query: bytes) -> WriteParams:
    """Return what a query string of version 2 asks for: all lines or none; see ``v3_params``."""
    params = from_query(query, _V2Params, V2_PREFIX)
    if not params.bucket:
        raise InvalidRequest("missing bucket value")
    precision = _precision(params.precision, V2_PREFIX, auto_allowed=False)
    check_bucket_name(params.bucket)
    check_database_name(params.bucket)
    return WriteParams(params.bucket, precision, accept_partial=False)


@lru_cache(KNOWN_QUERIES)
def v1_params(query: bytes) -> WriteParams:
    """Return what a query string of version 1 asks for: all lines or none; see ``v3_params``."""
    try:
        params = from_query(query, _V1Params, V1_PREFIX)
        precision = _precision(params.precision, V1_PREFIX, auto_allowed=False)
    except InvalidRequest as error:
        raise ParameterRefused(str(error)) from error
    policy = _unquoted(params.rp).lower()
    database = params.db if policy in NO_RETENTION_POLICY else f"{params.db}/{policy}"
    check_bucket_name(database)
    check_database_name(database)
    return WriteParams(database, precision, accept_partial=False)


def _unquoted(text: str) -> str:
    """Return ``text`` without the quotes, of either kind, in which some clients put the name of a retention policy."""
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if is_quoted else text


def _precision(word: str, prefix: str, *, auto_allowed: bool = True) -> Precision:
    try:
        return Precision.parse(word, auto_allowed=auto_allowed)
    except InvalidRequest as error:
        raise InvalidRequest(f"{prefix}{error}") from error


async def _written(context: Context, request: Request, params: WriteParams, refusal: str = "") -> WriteOutcome:
    """Return what became of the body; what the engine refuses is told with ``refusal`` before it."""
    with context.engine.admission.enter() as admitted:
        if admitted.delay_s:
            await asyncio.sleep(admitted.delay_s)
        body = await request.read(admitted.add)
        try:
            outcome, size_bytes = await _taken_in(context, request, params, body, refusal)
        except LinesRejected as error:
            context.figures.add_write(params.database, 0, len(error.rejected), 0)
            raise
        context.figures.add_write(params.database, outcome.accepted, len(outcome.rejected), size_bytes)
        return outcome


async def _taken_in(
    context: Context, request: Request, params: WriteParams, body: bytes, refusal: str
) -> tuple[WriteOutcome, int]:
    """Return what became of the body, and its size after decompression."""
    engine = context.engine
    encoding = request.header(b"content-encoding")

    def decoded() -> bytes:
        lines = decompressed(body, encoding, request.most_body_bytes)
        check_utf8(lines)
        return lines

    is_small = len(body) <= (MOST_SMALL_BYTES if encoding is None else MOST_SMALL_GZIP_BYTES)
    # A database that is not there yet is created, which takes a few syncs.
    if is_small and engine.catalog.state.database(params.database) is not None:
        lines = decoded()
        waiter = context.answers.waiter()
        try:
            engine.small_writes.add(params, lines, waiter.tell)
            return await waiter.future, len(lines)
        except (InvalidRequest, LimitExceeded) as error:
            if refusal:
                raise InvalidRequest(f"{refusal}{error}") from error
            raise

    sizes: list[int] = []

    def take_in() -> "Future[WriteOutcome]":
        lines = decoded()
        sizes.append(len(lines))
        try:
            return engine.write(params, lines, context.workers.parsers.parse)
        except (InvalidRequest, LimitExceeded) as error:
            if refusal:
                raise InvalidRequest(f"{refusal}{error}") from error
            raise

    return await asyncio.wrap_future(await context.workers.write(take_in, len(body))), sizes[0]


ROUTES: RouteTable = {
    ("POST", "/api/v3/write_lp"): Route(write_lp),
    ("POST", "/api/v2/write"): Route(write_v2, v2_body_for),
    ("POST", "/write"): Route(write_v1),
}
