"""A process that parses one large body after the other, and ends when none has come for a while."""

import contextlib
import select
import sys

import pyarrow as pa

from engine.child_process import open_parent, receive_frame, send_frame
from engine.errors import InvalidRequest
from engine.lineprotocol.body import parse_body
from engine.write.parsed import FAILED, PARSED, READY, decode_terms, encode_parsed


def main() -> None:
    """Serve the socket whose descriptor is the first argument; the second is how long to wait for a body, in seconds."""
    sock, idle_s = open_parent(int(sys.argv[1])), float(sys.argv[2])
    pa.set_cpu_count(1)  # bodies are parsed side by side, not their columns
    with contextlib.suppress(EOFError, ConnectionError):  # the server is gone
        send_frame(sock, READY)
        while select.select([sock], [], [], idle_s)[0]:
            precision, ingest_time_ns = decode_terms(receive_frame(sock)[1])
            body = bytes(receive_frame(sock)[1])
            try:
                parsed = parse_body(body, precision, ingest_time_ns)
            except InvalidRequest as error:
                send_frame(sock, FAILED, str(error).encode())
            else:
                send_frame(sock, PARSED, *encode_parsed(parsed))
