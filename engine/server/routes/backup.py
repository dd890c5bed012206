"""A backup of the node, as it goes out."""

from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

from engine.server.replies import AnyReply, StreamedReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.server.workers import Pieces

TAR = b"application/x-tar"


async def backup(context: Context, request: Request) -> AnyReply:
    """Answer with everything that was acknowledged before, as a tar archive."""
    pool = ThreadPoolExecutor(1, "backup")
    pieces = Pieces(pool, context.engine.backups.stream())
    pool_is_ours = True
    try:
        first = await pieces.next()  # what fails before it is an answer of its own
        pool_is_ours = False
    finally:
        if pool_is_ours:
            pieces.abandon()
            pool.shutdown(wait=False)
    return StreamedReply(200, _sent(pieces, pool, first), ((b"content-type", TAR),))


async def _sent(pieces: Pieces, pool: ThreadPoolExecutor, first: bytes | None) -> AsyncGenerator[bytes]:
    piece = first
    try:
        while piece is not None:
            yield piece
            piece = await pieces.next()
    finally:
        pieces.abandon()
        pool.shutdown(wait=False)


ROUTES: RouteTable = {("GET", "/api/v3/backup"): Route(backup)}
