"""What to do next, when a command has failed."""

import errno
import re
from functools import singledispatch
from http import HTTPStatus

from influxdb3_cli.errors import (
    AnswerBroken,
    AnswerUnusable,
    CommandFailed,
    FileTrouble,
    OutputTrouble,
    RequestNotSent,
    ServerRefused,
    Unexpected,
)
from influxdb3_cli.texts import quote

_NO_ANSWER = "is the server running? Start one with `influxdb3 serve`, or name another by --host"
_NO_HTTP = "is that an influxdb3 server, and is it http or https? --host names it; if it is, its log says more"
_NO_SERVER = "does --host name an influxdb3 server? Something else seems to answer there"
_TOKEN = (
    "give a token by --token or INFLUXDB3_AUTH_TOKEN; `influxdb3 create token --admin` makes the first one of a server"
)
_OTHER_TOKEN = "`influxdb3 show tokens` tells what each token may do; --token or INFLUXDB3_AUTH_TOKEN gives another"
_TOO_LARGE = "smaller requests are taken: write --max-request-size BYTES; or serve --max-http-request-size allows more"
_BROKEN = "was the server stopped? Its log says why; then run the command again"
_INCOMPLETE = "what was printed is incomplete: make room, or print to another place"
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))

_BY_STATUS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: _TOKEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LARGE,
}
_BY_MESSAGE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), hint)
    for pattern, hint in (
        (r"\bdatabase (\S+ )?(was )?not found", "`influxdb3 show databases` lists those that there are"),
        (r"there is no database", "`influxdb3 show databases` lists those that there are"),
        (
            r"^(?!system)(.* )?table '.*' not found",
            "`influxdb3 query -d DATABASE 'SHOW TABLES'` lists those that there are",
        ),
        (
            r"has no trigger|trigger '.*' was not found",
            "`influxdb3 show triggers -d DATABASE` lists those that there are",
        ),
        (
            r"^table .* not in db schema",
            "`influxdb3 query -d DATABASE 'SHOW TABLES'` lists those that there are",
        ),
        (r"requested resource was not found", "`influxdb3 show databases|tokens|triggers` lists what there is"),
        (r"^starting$", "the server reads its files; try again in a moment"),
        (
            r"plugin not found",
            "the path counts from the server's plugin folder; create trigger --upload sends a file there",
        ),
        (r"not authorized|permission", _OTHER_TOKEN),
        (r"^no input from stdin", "give it in quotes as the last argument, name a file by --file, or pipe it in"),
        (r"^cannot proceed without confirmation$", "--yes confirms beforehand"),
    )
)


@singledispatch
def way_out(error: CommandFailed) -> str | None:
    """Return what helps after ``error``, ``None`` where the error says it all."""
    return _by_text(str(error))


@way_out.register
def _(error: RequestNotSent) -> str | None:
    if error.why:
        return None
    return _NO_ANSWER if error.stage == "Connect" else _NO_HTTP


@way_out.register
def _(error: ServerRefused) -> str | None:
    return _BY_STATUS.get(error.status) or _by_text(error.message)


@way_out.register
def _(error: FileTrouble) -> str | None:
    name = quote(error.path)
    if error.number in _FULL:
        return f"{name} is incomplete: make room on its disk, or name a file elsewhere"
    return f"the file is {name}"


@way_out.register
def _(error: AnswerUnusable) -> str | None:
    return _NO_SERVER


@way_out.register
def _(error: AnswerBroken) -> str | None:
    return _BROKEN


@way_out.register
def _(error: OutputTrouble) -> str | None:
    return _INCOMPLETE


@way_out.register
def _(error: Unexpected) -> str | None:
    return error.verb and f"`influxdb3 --verbose {error.verb} …` shows where it was raised"


def _by_text(text: str) -> str | None:
    return next((hint for pattern, hint in _BY_MESSAGE if pattern.search(text)), None)
