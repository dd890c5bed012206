"""The socket that a server listens at."""

import errno
import os
import socket
from pathlib import Path

from engine.errors import EngineError
from engine.model.bind import Bind

BACKLOG = 2048


class CannotListen(EngineError):
    """The address cannot be had."""


def open_listener(bind: Bind, option: str = "--http-bind") -> socket.socket:
    """Return a socket that listens at ``bind``, which ``option`` names.

    Raises:
        CannotListen: the text says why.
    """
    try:
        found = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(_reason(bind, option, error)) from error


def bound_address(listener: socket.socket) -> Bind:
    """Return where ``listener`` listens, with the port that it got."""
    host, port = listener.getsockname()[:2]
    return Bind(host, port)


def write_address(path: Path, address: Bind) -> None:
    """Write ``address`` to the file ``path``, which is there with all of it or not at all."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(str(address))
    aside.replace(path)


def _reason(bind: Bind, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"address {bind} is in use (stop what listens there, or choose another with {option})"
    return f"Failed to bind address {bind}: {error.strerror or error}"
