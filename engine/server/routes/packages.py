"""Install packages for plugins."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import msgspec

from engine.errors import EngineError
from engine.server.body import read_params
from engine.server.errors import engine_body_for
from engine.server.replies import EMPTY, AnyReply, StreamedReply
from engine.server.requests import Request
from engine.server.routing import Context, Route, RouteTable
from engine.server.texts import compact_json
from engine.server.workers import followed

JSON_LINES = b"application/jsonl"


class _Packages(msgspec.Struct):
    packages: list[str]


class _Requirements(msgspec.Struct):
    requirements_location: str


async def install_packages(context: Context, request: Request) -> AnyReply:
    """Install packages by name."""
    wanted = await read_params(request, _Packages)
    return await _install(request, context.engine.install_packages(wanted.packages))


async def install_requirements(context: Context, request: Request) -> AnyReply:
    """Install what a file lists that the server can read."""
    wanted = await read_params(request, _Requirements)
    return await _install(request, context.engine.install_requirements(wanted.requirements_location))


async def _install(request: Request, lines: Iterator[str]) -> AnyReply:
    """Answer when pip has ended, or tell line by line what it says; it goes on if the client leaves."""
    progress = followed(lines)
    if request.header(b"accept") != JSON_LINES:
        async for _ in progress:
            pass
        return EMPTY
    # What is refused at once has its status; later only the last line can tell.
    first = await anext(progress, None)
    return StreamedReply(200, _told(first, progress), ((b"content-type", JSON_LINES),))


async def _told(first: str | None, rest: AsyncIterator[str]) -> AsyncGenerator[bytes]:
    """Yield a JSON object for each line of progress, and one for how it ended."""
    try:
        if first is not None:
            yield _json_line({"line": first})
        async for line in rest:
            yield _json_line({"line": line})
    except EngineError as error:
        yield _json_line({"status": "error", "message": str(error)})
    else:
        yield _json_line({"status": "ok"})


def _json_line(value: dict[str, str]) -> bytes:
    return compact_json(value) + b"\n"


_PATH = "/api/v3/configure/plugin_environment"

_ERROR_BODY = engine_body_for("error installing python packages")

ROUTES: RouteTable = {
    ("POST", f"{_PATH}/install_packages"): Route(install_packages, _ERROR_BODY, tells_origins_of_errors=True),
    ("POST", f"{_PATH}/install_requirements"): Route(install_requirements, _ERROR_BODY, tells_origins_of_errors=True),
}
