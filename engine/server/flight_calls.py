"""Calls of Flight clients: who may make them, what is counted of them, and the handshake."""

from collections.abc import Callable
from typing import Protocol

import pyarrow as pa
import pyarrow.flight as fl

from engine.auth.tokens import presented_token
from engine.errors import EngineError
from engine.runtime import Engine
from engine.server.figures import ABORTED, OK, CallFigures, status_word
from engine.server.flight_errors import told

CALL = "call"
"""The name under which a ``Call`` is found."""

_SERVICE = "/arrow.flight.protocol.FlightService/"
_CLIENT_ERRORS = (pa.ArrowInvalid, fl.FlightUnauthenticatedError, fl.FlightUnauthorizedError, NotImplementedError)
_ABORTED = (fl.FlightCancelledError, fl.FlightTimedOutError)


class Calls(fl.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Lets calls pass that present a valid token, and counts all."""

    def __init__(self, engine: Engine, figures: CallFigures) -> None:
        super().__init__()
        self._tokens = engine.tokens
        self._clock = engine.clock
        self._figures = figures

    def start_call(self, info: fl.CallInfo, headers: dict[str, list[str]]) -> "Call":
        """Accept a call, or end it with ``UNAUTHENTICATED``; a handshake is told the token of its header."""
        begun_ns = self._clock.monotonic_ns()
        path = _SERVICE + "".join(word.capitalize() for word in info.method.name.split("_"))
        presented = next((value.encode(errors="replace") for value in headers.get("authorization", ())), None)

        def count(status: str) -> None:
            self._figures.add(path, status, self._clock.monotonic_ns() - begun_ns)

        with told():
            try:
                self._tokens.authenticate(presented)
            except EngineError:
                count(status_word(401))
                raise
            token = presented_token(presented) if info.method == fl.FlightMethod.HANDSHAKE else None
        return Call(count, token, is_streamed=info.method == fl.FlightMethod.DO_GET)


class Call(fl.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no types
    """One call: counted at its end.

    Attributes:
        is_complete: whether all of the answer was made; if not, the client has left before.
    """

    def __init__(self, count: Callable[[str], None], token: str | None, *, is_streamed: bool) -> None:
        super().__init__()
        self._count = count
        self._token = token
        self.is_complete = not is_streamed

    def sending_headers(self) -> dict[str, str]:
        """Return what the answer's headers have besides: the token to send from now on, which came as a password perhaps."""
        return {} if self._token is None else {"authorization": f"Bearer {self._token}"}

    def call_completed(self, exception: Exception | None) -> None:
        """Count the call."""
        self._count(_status_of(exception, is_complete=self.is_complete))


class _Words(Protocol):
    """One end of a handshake."""

    def read(self) -> bytes: ...

    def write(self, message: bytes) -> None: ...


class Handshake(fl.ServerAuthHandler):  # type: ignore[misc]  # pyarrow has no types
    """Answers ``Handshake`` with the client's own words; who may come in is for ``Calls`` to say."""

    def authenticate(self, outgoing: _Words, incoming: _Words) -> None:
        """Echo a first message, if there is one."""
        try:
            payload = incoming.read()
        except OSError:
            return  # the client has said all that it has to say in its header
        outgoing.write(payload)

    def is_valid(self, token: bytes) -> bytes:
        """Name nobody; ``token`` is what a client made of the handshake's answer."""
        return b""


def _status_of(exception: Exception | None, *, is_complete: bool) -> str:
    """Return the word for how a call ended."""
    if isinstance(exception, _CLIENT_ERRORS):
        return status_word(400)
    if isinstance(exception, _ABORTED) or (exception is None and not is_complete):
        return status_word(ABORTED)
    return OK if exception is None else status_word(500)
