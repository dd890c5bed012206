"""Tells whoever started the server, such as systemd, how it is: the protocol of ``sd_notify``."""

import logging
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"


def notify(state: str, environ: Mapping[str, str]) -> None:
    """Send ``state`` to the socket that ``NOTIFY_SOCKET`` in ``environ`` names, if there is one."""
    name = environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    address = f"\0{name[1:]}" if name.startswith("@") else name  # the name of a socket without file
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), address)
    except OSError as error:
        logger.warning("NOTIFY_SOCKET %s cannot be told that %s: %s", name, state, error)
