"""What running a plugin needs of the process around it."""

from collections.abc import Callable
from typing import Protocol

from engine.host.protocol import Response


class Services(Protocol):
    """What one run may ask of the database; every method may be called from any thread, also after the run ended."""

    def log(self, level: str, text: str) -> None:
        """Keep a log line of the plugin; ``level`` is ``INFO``, ``WARN`` or ``ERROR``."""

    def entered(self) -> None:
        """Note that the plugin's function is about to be called."""

    def query(self, database: str | None, sql: str, params: dict[str, str | int | float | bool | None]) -> bytes:
        """Return the rows of ``sql`` as an Arrow IPC stream; ``database`` ``None`` means that of the trigger.

        Raises:
            EngineError: the text is what the plugin's ``QueryError`` shall say.
        """

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        """Write ``lines``; return when they are durable, when they are accepted if ``no_sync``.

        Raises:
            EngineError: the text is what the plugin's exception shall say.
        """

    def part(self, head: Response | None, data: bytes, taken: Callable[[bool], None]) -> None:
        """Send a part of the answer to a request, the first one with the answer's ``head``, and return at once.

        ``taken`` is called from another thread when the client took it, with whether it wants more; not before that the
        next part may be sent.
        """
