"""A web server in the process of the test, whose pages are a dict."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(ThreadingHTTPServer):
    """Serves ``pages`` by path; a number instead of a page is a status, ``endless`` pages never end.

    Attributes:
        asked: the paths that were asked for.
        base: the address of the site.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pages: dict[str, bytes | int] = {}
        self.endless: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Answers)
        self.base = f"http://127.0.0.1:{self.server_port}/"


class _Answers(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path, 404)
        self.send_response(page if isinstance(page, int) else 200, "Own Words")
        if isinstance(page, int) and page // 100 == 3:
            self.send_header("Location", "/moved")
        self.end_headers()
        content = b"no" if isinstance(page, int) else page
        try:
            self.wfile.write(content)
            while self.path in self.server.endless:
                self.wfile.write(content)
        except OSError:
            pass  # the client had enough

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@contextmanager
def serving_site() -> Iterator[Site]:
    """Run a site; it is closed at the end."""
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
