"""What an endpoint is, and what it works with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from engine.errors import EngineError
from engine.runtime import Engine
from engine.server.answers import Answers
from engine.server.errors import body_for
from engine.server.figures import ServerFigures
from engine.server.replies import AnyReply
from engine.server.requests import Request
from engine.server.workers import Workers


@dataclass(frozen=True, slots=True)
class Context:
    """What all endpoints of one server share."""

    engine: Engine
    workers: Workers
    answers: Answers
    figures: ServerFigures = field(default_factory=ServerFigures)


Handler = Callable[[Context, Request], Awaitable[AnyReply]]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint.

    Attributes:
        error_body: what it says of an error that its handler raises.
        tells_origins_of_errors: its errors carry the CORS header as its successes do.
    """

    handler: Handler
    error_body: Callable[[EngineError], bytes] = body_for
    tells_origins_of_errors: bool = False


RouteTable = Mapping[tuple[str, str], Route]
"""Routes by method and path."""
