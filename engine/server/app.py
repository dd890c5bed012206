"""The HTTP application: the order in which a request is judged, and the headers that every answer has."""

import asyncio
import logging

from engine.errors import DiskFull, EngineError, StorageError, Unavailable
from engine.runtime import Engine
from engine.server.answers import Answers
from engine.server.auth import Access
from engine.server.bodies import Bodies
from engine.server.errors import ClientGone, RouteMissing, body_for, disk_failure, status_for
from engine.server.figures import ABORTED, OK, ServerFigures, status_word
from engine.server.replies import ALLOW_ORIGIN, PREFLIGHT, AnyReply, Reply, json_reply, send_reply
from engine.server.requests import Message, Receive, Request, Send
from engine.server.routes import (
    backfills,
    backup,
    cache_state,
    caches,
    catalog,
    databases,
    dead_letters,
    health,
    metrics,
    packages,
    plugin_files,
    plugin_requests,
    plugin_tests,
    query,
    tables,
    tokens,
    triggers,
    write,
)
from engine.server.routing import Context, Route, RouteTable
from engine.server.workers import Workers

logger = logging.getLogger(__name__)

ROUTES: RouteTable = {
    **health.ROUTES,
    **metrics.ROUTES,
    **write.ROUTES,
    **query.ROUTES,
    **databases.ROUTES,
    **tables.ROUTES,
    **caches.ROUTES,
    **triggers.ROUTES,
    **backfills.ROUTES,
    **cache_state.ROUTES,
    **dead_letters.ROUTES,
    **packages.ROUTES,
    **plugin_files.ROUTES,
    **plugin_tests.ROUTES,
    **tokens.ROUTES,
    **catalog.ROUTES,
    **backup.ROUTES,
}

NOT_FOUND = 404
RETRY_SOON = (b"retry-after", b"1")
INTERNAL_ERROR = Reply(500, b"internal error")
SHUTTING_DOWN = json_reply({"error": "server is shutting down"}, 503)
"""For a request that is cancelled: the time that it had to finish is over."""


class App:
    """An ASGI application over an open engine; ``figures`` may be shared with what else serves it."""

    def __init__(self, engine: Engine, routes: RouteTable = ROUTES, figures: ServerFigures | None = None) -> None:
        self._routes = routes
        self._context = Context(
            engine, Workers(engine.clock, engine.settings.parser_processes), Answers(), figures or ServerFigures()
        )
        self._access = Access(engine)
        self._clock = engine.clock
        self._bodies = Bodies()
        self._most_body_bytes = engine.settings.max_http_request_size_bytes
        self._headers = ((b"cluster-uuid", engine.catalog.state.cluster_uuid.encode()),)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")
        request = Request(scope, receive, self._most_body_bytes, self._bodies)
        begun_ns = self._clock.monotonic_ns()
        status, sent_bytes = ABORTED, 0
        try:
            reply = await self._answer(request)
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("request method=%s path=%s status=%d", request.method, request.path, reply.status)
            sent_bytes = await send_reply(reply, request, send, self._headers)
            status = reply.status
        except asyncio.CancelledError:
            logger.warning("answer broke off method=%s path=%s: shutting down", request.method, request.path)
        except ClientGone:
            logger.debug("client went away method=%s path=%s", request.method, request.path)
        except EngineError as error:
            # The status went out already: all that is left is to end the connection before the end of the body.
            logger.error("answer broke off method=%s path=%s: %s", request.method, request.path, error)
        finally:
            request.release()
            path = self._known_path(request, status)
            took_ns = self._clock.monotonic_ns() - begun_ns
            self._context.figures.add_request(request.method, path, status_word(status), took_ns, sent_bytes)

    def close(self) -> None:
        """Begin nothing more."""
        self._context.workers.close()

    async def _answer(self, request: Request) -> AnyReply:
        """Return the answer to ``request``; only ``ClientGone`` is raised."""
        route = None
        try:
            if request.method == "OPTIONS":
                return PREFLIGHT
            self._access.check(request)
            route = self._find_route(request)
            reply = await route.handler(self._context, request)
        except EngineError as error:
            return _error_reply(error, route)
        except asyncio.CancelledError:
            return SHUTTING_DOWN
        except ClientGone:
            raise
        except Exception as error:
            failure = disk_failure(error)
            if failure is not None:
                return _error_reply(failure, route)
            logger.exception("request failed method=%s path=%s", request.method, request.path)
            return INTERNAL_ERROR
        return reply.with_headers((ALLOW_ORIGIN,))

    def _known_path(self, request: Request, status: int) -> str:
        """Return the path as figures name it: empty for what has no route, and no plugin's that anybody may think up."""
        if status == NOT_FOUND:
            return ""
        if (request.method, request.path) in self._routes:
            return request.path
        if not request.path.startswith(plugin_requests.PREFIX):
            return ""
        return request.path if status_word(status) == OK else plugin_requests.PREFIX

    def _find_route(self, request: Request) -> Route:
        """Return who answers exactly this method and path.

        Raises:
            RouteMissing: nobody.
        """
        route = self._routes.get((request.method, request.path))
        if route is None and request.path.startswith(plugin_requests.PREFIX):
            route = plugin_requests.ROUTES_BELOW.get(request.method)
        if route is None:
            raise RouteMissing
        return route


def _error_reply(error: EngineError, route: Route | None) -> Reply:
    if isinstance(error, StorageError) and not isinstance(error, DiskFull):  # that is told once
        logger.error("request failed: %s", error)
    headers = (RETRY_SOON,) if isinstance(error, Unavailable | DiskFull) else ()
    reply = Reply(status_for(error), route.error_body(error) if route else body_for(error), headers)
    return reply.with_headers((ALLOW_ORIGIN,)) if route and route.tells_origins_of_errors else reply
