"""What a client is told of an error: the only table from classes to statuses, and the bodies of the endpoint families."""

import errno
import json
from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from typing import Any

from engine.disk import NO_SPACE
from engine.errors import (
    AlreadyExists,
    AuthorizationMalformed,
    DatabaseNameError,
    DiskFull,
    EngineError,
    EngineOff,
    Forbidden,
    InternalDatabase,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    OperatorTokenNeeded,
    PluginError,
    PluginFailed,
    PluginTimedOut,
    QueryCancelled,
    QueryNotSupported,
    QueryTimedOut,
    StorageError,
    Unauthorized,
    Unavailable,
)
from engine.lineprotocol.groups import RejectedLine
from engine.server.texts import compact_json
from engine.write.ceilings import tells_ceiling
from engine.write.service import LinesRejected


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class RouteMissing(NotFound):
    """No endpoint has this path with this method."""

    def __init__(self) -> None:
        super().__init__("Not found")


class TokensOff(EngineError):
    """Without authentication there are no tokens to manage."""

    def __init__(self) -> None:
        super().__init__("endpoint disabled, started without auth")


class BodyTooLarge(EngineError):
    """The body passes the limit, as it was sent or after decompression."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"max request size ({most_bytes} bytes) exceeded")


class ContentTypeRefused(EngineError):
    """The endpoint takes JSON only."""

    def __init__(self) -> None:
        super().__init__("unacceptable content-type, expected: application/json")


class ParameterRefused(InvalidRequest):
    """A parameter of an endpoint of version 1 is missing or wrong."""


class PartialWrite(InvalidRequest):
    """The good lines of a write are in, these are not.

    Attributes:
        rejected: the lines, with their numbers and reasons.
    """

    def __init__(self, rejected: Sequence[RejectedLine]) -> None:
        super().__init__("partial write of line protocol occurred")
        self.rejected = tuple(rejected)


class PartialWriteOverLimit(PartialWrite):
    """The same, where a line was refused because of a limit that the operator configured."""


def partial_write(rejected: Sequence[RejectedLine]) -> PartialWrite:
    """Return what is told of lines that are not in, while others are or may be."""
    over_limit = any(tells_ceiling(line.message) for line in rejected)
    return PartialWriteOverLimit(rejected) if over_limit else PartialWrite(rejected)


STATUS: Mapping[type[EngineError], int] = {
    EngineError: 500,
    InvalidRequest: 400,
    InternalDatabase: 500,
    OperatorTokenNeeded: 405,
    QueryNotSupported: 405,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    AlreadyExists: 409,
    LimitExceeded: 422,
    PartialWriteOverLimit: 422,
    Unavailable: 503,
    DiskFull: 503,
    PluginTimedOut: 504,
    QueryCancelled: 503,
    QueryTimedOut: 504,
    TokensOff: 405,
    BodyTooLarge: 413,
    ContentTypeRefused: 415,
}

_DISK_FAILURES = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)
)

V2_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    413: "request too large",
    503: "unavailable",
}


MOST_TOLD_LINES = 10_000
"""Of so many lines a partial write tells why they are not in; of further ones only how many there are in all."""


def status_for(error: EngineError) -> int:
    """Return the status of the closest ancestor of ``error`` listed in ``STATUS``."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def disk_failure(error: Exception) -> StorageError | None:
    """Return what a client is told where the disk, or what it allows, is the cause of ``error``; ``None`` elsewhere."""
    if not isinstance(error, OSError) or error.errno not in _DISK_FAILURES:
        return None
    place = f": {error.filename}" if error.filename else ""
    kind = DiskFull if error.errno in NO_SPACE else StorageError
    return kind(f"the disk does not take this ({error.strerror}{place})")


@singledispatch
def body_for(error: EngineError) -> bytes:
    """Return what v3 endpoints say: mostly the text, an object with ``error`` where clients know it so."""
    return str(error).encode(errors="replace")


@body_for.register
def _(error: DatabaseNameError | LimitExceeded | ParameterRefused | PluginFailed) -> bytes:
    return compact_json({"error": str(error)})


@body_for.register
def _(error: Unauthorized | AuthorizationMalformed) -> bytes:
    return json.dumps({"error": str(error)}).encode()  # clients compare it with its blank


@body_for.register
def _(error: PluginError) -> bytes:
    return f"Plugin error: {error}".encode(errors="replace")


@body_for.register
def _(error: PartialWrite) -> bytes:
    told: dict[str, Any] = {"error": str(error), "data": [_line(line) for line in error.rejected[:MOST_TOLD_LINES]]}
    if len(error.rejected) > MOST_TOLD_LINES:
        told["rejected_lines"] = len(error.rejected)
    return compact_json(told)


@body_for.register
def _(error: LinesRejected) -> bytes:
    return compact_json({"error": "line protocol parsing error", "data": _line(error.rejected[0])})


def v2_body_for(error: EngineError) -> bytes:
    """Return what ``/api/v2/write`` says: an object with ``code`` and ``message``."""
    return compact_json({"code": V2_CODES.get(status_for(error), "internal error"), "message": str(error)})


def engine_body_for(what: str) -> Callable[[EngineError], bytes]:
    """Return what endpoints of the Processing engine say: of what fails there, that it was ``what``."""

    def body(error: EngineError) -> bytes:
        if isinstance(error, PluginError) and not isinstance(error, EngineOff):
            return f"Processing engine error: {what}: {error}".encode(errors="replace")
        return body_for(error)

    return body


def _line(line: RejectedLine) -> dict[str, str | int]:
    return {"error_message": line.message, "line_number": line.line_number, "original_line": line.original_line}
