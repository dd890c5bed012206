"""What a Flight client is told of an error."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pyarrow as pa
import pyarrow.flight as fl

from engine.errors import (
    AuthorizationMalformed,
    EngineError,
    Forbidden,
    InvalidRequest,
    QueryCancelled,
    QueryFailed,
    Unauthorized,
    Unavailable,
)

logger = logging.getLogger(__name__)

MOST_TEXT = 2000
"""So many characters of an error are told."""


class _WithoutTraceback:
    """An error of which a client reads the text only.

    Arrow appends the formatted traceback to what it sends, which would tell the server's folders. Where an exception
    cannot be formatted, it appends the name of the class.
    """

    @property
    def __cause__(self) -> NoReturn:
        raise AttributeError("not for clients")


class InvalidArgument(_WithoutTraceback, pa.ArrowInvalid):  # type: ignore[misc]  # pyarrow has no types
    """``INVALID_ARGUMENT``."""


STATUS: dict[type[EngineError], type[Exception]] = {
    EngineError: fl.FlightInternalError,
    InvalidRequest: InvalidArgument,
    QueryFailed: InvalidArgument,
    QueryCancelled: fl.FlightUnavailableError,
    AuthorizationMalformed: fl.FlightUnauthenticatedError,
    Unauthorized: fl.FlightUnauthenticatedError,
    Forbidden: fl.FlightUnauthorizedError,
    Unavailable: fl.FlightUnavailableError,
}


@contextmanager
def told() -> Iterator[None]:
    """Raise what fails as the error that Flight turns into a status, see ``STATUS``."""
    try:
        yield
    except EngineError as error:
        kind = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        raise kind(str(error)[:MOST_TEXT]) from None
    except Exception:
        logger.exception("flight call failed")
        raise fl.FlightInternalError("internal error") from None
