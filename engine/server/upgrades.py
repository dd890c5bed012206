"""HTTP with clients that would rather speak another protocol: they are answered in this one.

Java's HTTP client asks every server in clear text for HTTP/2 (``Upgrade: h2c``) together with its request, and a server
that does not change answers as if it had not been asked. The parser, however, takes a body behind such headers for the
other protocol, so these requests are read a second time without them.
"""

from array import array
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ASKING = frozenset({b"upgrade", b"http2-settings"})


def asks(parser: httptools.HttpRequestParser) -> bool:
    """Return whether the request being read asks for another protocol; ``CONNECT`` asks for something else."""
    return parser.should_upgrade() and parser.get_method() != b"CONNECT"


class StayingHttp(HttpToolsProtocol):
    """Uvicorn's protocol, which stays HTTP/1.1 whatever a client asks for."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.parser = _Parser(self)
        self._unread: bytes | None = None

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        super().data_received(data)
        while self._unread is not None:
            again, self._unread = self._plain_head() + self._unread, None
            self.parser = _Parser(self)
            super().data_received(again)

    def on_headers_complete(self) -> None:
        """Begin the request, unless it is read once more."""
        if not asks(self.parser):
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request, unless it is read once more."""
        if not asks(self.parser):
            super().on_message_complete()

    def read_again(self, unread: bytes) -> None:
        """Have the request of which the head was read come once more, with what is ``unread`` behind it."""
        self._unread = unread

    def _plain_head(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                kept = [word for word in value.split(b",") if word.strip().lower() not in _ASKING]
                lines.append(b"connection: " + b",".join(kept))
            elif name not in _ASKING:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join(lines) + b"\r\n\r\n"


class _Parser(httptools.HttpRequestParser):
    """The parser of requests, which hands back what it does not read because of an ``Upgrade``."""

    def __init__(self, protocol: StayingHttp) -> None:
        super().__init__(protocol)
        self._protocol = protocol
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn has it

    def feed_data(self, data: "bytes | bytearray | memoryview | array[int]") -> None:
        """Read ``data``, or as much of it as belongs to requests that can be read."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not asks(self):
                raise
            self._protocol.read_again(bytes(data)[upgrade.args[0] :])
