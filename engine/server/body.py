"""Bodies of requests: size limit, decompression, UTF-8, the content type of JSON."""

import zlib

from engine.errors import InvalidRequest
from engine.server.errors import BodyTooLarge, ContentTypeRefused
from engine.server.params import P, from_json, from_query
from engine.server.requests import Request

_GZIP = 31  # window bits for zlib: a gzip header and the largest window
_SLICE_BYTES = 8192
"""So much goes to the decompressor at once: what follows a member is copied, and members may be tiny."""

_JSON_TYPE = b"application/json"


def decompressed(body: bytes, encoding: bytes | None, most_bytes: int) -> bytes:
    """Return ``body`` without its content encoding, a header's value or ``None``.

    Raises:
        InvalidRequest: the encoding is not known, or the body does not follow it.
        BodyTooLarge: the result passes ``most_bytes``.
    """
    if encoding is None or encoding == b"identity":
        return body
    if encoding == b"gzip":
        return _gunzip(body, most_bytes)
    if not encoding.isascii():
        raise InvalidRequest("invalid content-encoding header: failed to convert header to a str")
    raise InvalidRequest(f"unacceptable content-encoding: {encoding.decode()}")


def check_utf8(body: bytes) -> None:
    """Accept a body that is UTF-8.

    Raises:
        InvalidRequest: it is not; the text says where.
    """
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            cause = f"incomplete utf-8 byte sequence from index {error.start}"
        else:
            cause = f"invalid utf-8 sequence of {error.end - error.start} bytes from index {error.start}"
        raise InvalidRequest(f"body content is not valid utf8: {cause}") from error


async def read_body(request: Request) -> bytes:
    """Return the body of ``request``, decompressed.

    Raises:
        BodyTooLarge, InvalidRequest: see ``decompressed``.
    """
    body = await request.read()
    return decompressed(body, request.header(b"content-encoding"), request.most_body_bytes)


async def read_json(request: Request) -> bytes:
    """Return the body of ``request``, which says that it is JSON.

    Raises:
        ContentTypeRefused: it does not say so.
        BodyTooLarge, InvalidRequest: see ``decompressed``.
    """
    if not _is_json(request.header(b"content-type")):
        raise ContentTypeRefused
    return await read_body(request)


async def read_params(request: Request, kind: type[P]) -> P:
    """Return the parameters of ``request``: those of the query string if it has one, else those of its JSON body.

    Raises:
        EngineError: see ``from_query``, ``from_json`` and ``read_json``.
    """
    if request.query:
        return from_query(request.query, kind)
    return from_json(await read_json(request), kind)


def _is_json(content_type: bytes | None) -> bool:
    if content_type is None:
        return False
    essence = content_type.partition(b";")[0].strip().lower()
    return essence == _JSON_TYPE or (essence.startswith(b"application/") and essence.endswith(b"+json"))


def _gunzip(data: bytes, most_bytes: int) -> bytes:
    """Return the content of all members of ``data``."""
    view = memoryview(data)
    content = bytearray()
    at = 0
    while at < len(view):
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            piece = view[at : at + _SLICE_BYTES]
            try:
                made = member.decompress(piece, most_bytes + 1 - len(content))
            except zlib.error as error:
                raise InvalidRequest(f"error decoding gzip stream: {error}") from error
            content += made
            if len(content) > most_bytes:
                raise BodyTooLarge(most_bytes)
            if not piece and not made:
                raise InvalidRequest("error decoding gzip stream: unexpected end of file")
            at += len(piece) - len(member.unused_data if member.eof else member.unconsumed_tail)
    return bytes(content)
