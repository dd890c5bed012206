"""Whether the server is up, and which one it is."""

import secrets
import uuid

from engine.server.replies import AnyReply, json_reply, typed
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.server.version import BUILD, PRODUCT, process_id, product_version, revision

TEXT = b"text/plain; charset=utf-8"

_NS_PER_MS = 1_000_000


async def health(context: Context, request: Request) -> AnyReply:
    """Answer ``OK``, or 503 with how far the server is."""
    if context.engine.is_ready:
        return typed(b"OK", TEXT)
    return typed(context.engine.progress.encode(), TEXT, 503)


async def ping(context: Context, request: Request) -> AnyReply:
    """Tell product, version and process."""
    request_id = str(time_ordered_uuid(context.engine.clock.now_ns(), secrets.randbits(74))).encode()
    reply = json_reply(
        {"product_name": PRODUCT, "version": product_version(), "revision": revision(), "process_id": process_id()}
    )
    return reply.with_headers(
        (
            (b"request-id", request_id),
            (b"x-request-id", request_id),
            (b"x-influxdb-version", product_version().encode()),
            (b"x-influxdb-build", BUILD.encode()),
        )
    )


def time_ordered_uuid(now_ns: int, random: int) -> uuid.UUID:
    """Return the UUID (version 7) of a time and 74 random bits."""
    high, low = divmod(random, 1 << 62)
    return uuid.UUID(int=(now_ns // _NS_PER_MS) << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low)


ROUTES: RouteTable = {
    ("GET", "/health"): Route(health),
    ("GET", "/api/v1/health"): Route(health),
    ("GET", "/ping"): Route(ping),
    ("POST", "/ping"): Route(ping),
}
