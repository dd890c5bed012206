"""Tells the service manager that started the server, such as systemd, how it is: the protocol of ``sd_notify(3)``."""

import asyncio
import logging
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

TELL_EVERY_S = 5.0
MOST_SILENCE_S = 60
"""A start that told nothing for so long has failed; until then it may take as long as it likes."""


def encode_state(
    *, status: str, is_ready: bool = False, is_stopping: bool = False, silence_s: int | None = None
) -> bytes:
    """Return the message: what people are told, and how long the manager waits for the next one before it gives up."""
    lines = [f"STATUS={status}"]
    if is_ready:
        lines.append("READY=1")
    if is_stopping:
        lines.append("STOPPING=1")
    if silence_s is not None:
        lines.append(f"EXTEND_TIMEOUT_USEC={silence_s * 1_000_000}")
    return "\n".join(lines).encode()


class ServiceManager:
    """The manager that listens at ``address``, a path or, after an ``@``, a name of Linux; ``None`` = there is none."""

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    async def wait_for_start(self, progress: Callable[[], str]) -> None:
        """Tell how far the start is, until cancelled: one that has much to read is not given up."""
        while self._address:
            self._send(encode_state(status=progress(), silence_s=MOST_SILENCE_S))
            await asyncio.sleep(TELL_EVERY_S)

    def ready(self, address: str) -> None:
        """Tell that requests are answered at ``address``."""
        self._send(encode_state(status=f"listening at {address}", is_ready=True))

    def stopping(self, longest_s: float) -> None:
        """Tell that the end has begun, and may take ``longest_s``."""
        self._send(encode_state(status="stopping", is_stopping=True, silence_s=round(longest_s) + MOST_SILENCE_S))

    def _send(self, message: bytes) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
                manager.sendto(message, self._address)
        except OSError as error:
            logger.warning("the service manager could not be told address=%r: %s", self._address, error)
