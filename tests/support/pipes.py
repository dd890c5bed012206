"""Connections of which a test is the other end."""

import asyncio
from typing import Any


class Pipe(asyncio.Transport):
    """A connection of which a test is the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_at_end = False
        self.is_closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed.set()

    def is_closing(self) -> bool:
        return self.is_closed.is_set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        self.is_closed.set()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_at_end = True
