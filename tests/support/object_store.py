"""An S3 in a process of its own, and something between it and its clients that makes trouble."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

BUCKET = "bucket"
_MOST_START_S = 30.0
_ANSWER_S = 30.0
_MODULE = """
import sys
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@dataclass
class S3:
    """An S3 at ``url`` with one bucket."""

    url: str

    def options(self) -> list[str]:
        """Return the options of a server that keeps its data there."""
        keys = ["--aws-access-key-id", "key", "--aws-secret-access-key", "very-secret", "--aws-allow-http"]
        return ["--object-store", "s3", "--bucket", BUCKET, "--aws-endpoint", self.url, *keys]

    def listing(self) -> list[str]:
        """Return the keys of all objects."""
        page = httpx.get(f"{self.url}/{BUCKET}?list-type=2").text
        return [part.partition("</Key>")[0] for part in page.split("<Key>")[1:]]


@contextmanager
def serving_s3() -> Iterator[S3]:
    """Run an S3 with an empty bucket; it ends with the context, or with this process."""
    process = subprocess.Popen(
        [sys.executable, "-c", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        store = S3(f"http://127.0.0.1:{int(process.stdout.readline())}")
        httpx.put(f"{store.url}/{BUCKET}").raise_for_status()
        yield store
    finally:
        process.kill()
        process.communicate()


Trouble = Callable[[str, str], str | None]
"""Tells of a request (method, path) what goes wrong: ``busy``, ``cut``, ``lost``, ``slow``, or ``None``."""


@dataclass
class Between:
    """Passes requests on to a store, and makes the trouble that it is told to.

    ``busy``: 503 SlowDown · ``cut``: the connection ends before the request is passed on · ``lost``: it ends after that,
    without the answer · ``slow``: the answer comes late.
    """

    target: S3
    trouble: Trouble = lambda method, path: None
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    slow_s: float = 1.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    between: Between

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.between.trouble(self.command, self.path)
        self.between.seen.append((self.command, self.path, kind))
        if kind == "busy":
            self._answer(
                503, {}, b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            )
        elif kind == "cut":
            self.close_connection = True
        else:
            self._ask(body, kind)

    def _ask(self, body: bytes, kind: str | None) -> None:
        host = self.between.target.url.removeprefix("http://")
        connection = HTTPConnection(host, timeout=_ANSWER_S)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if kind == "lost":
            self.close_connection = True
            return
        if kind == "slow":
            time.sleep(self.between.slow_s)  # that is what slow means
        self._answer(answer.status, dict(answer.getheaders()), data)

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        length = next((v for n, v in headers.items() if n.lower() == "content-length"), str(len(data)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have left."""


@contextmanager
def trouble_between(store: S3) -> Iterator[tuple[Between, S3]]:
    """Run something between clients and ``store``; yields it, and the store as clients see it through it."""
    between = Between(store)
    handler = type("Handler", (_Handler,), {"between": between})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield between, S3(f"http://127.0.0.1:{server.server_port}")
    finally:
        with suppress(OSError):
            server.shutdown()
        thread.join()
        server.server_close()
