"""Single files over http."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.errors import PluginError
from engine.plugins.repository import Repository


class Site(ThreadingHTTPServer):
    """Serves one file, and notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answers)


class _Answers(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        found = self.path.endswith("/b.py")
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"x = 1\n" if found else b"no")

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("end", ["", "/"])
def test_the_base_address_may_lack_its_last_slash(site: Site, tmp_path: Path, end: str) -> None:
    """B2.3"""
    path = Repository(f"http://127.0.0.1:{site.server_port}/base{end}", tmp_path, SystemClock()).fetch("gh:a/b.py")
    assert site.asked == ["/base/a/b.py"]
    assert path.read_text() == "x = 1\n"
    assert path.name == "b.py"


def test_another_status_is_said_with_the_address(site: Site, tmp_path: Path) -> None:
    """B2.2"""
    base = f"http://127.0.0.1:{site.server_port}/"
    with pytest.raises(PluginError) as caught:
        Repository(base, tmp_path, SystemClock()).fetch("gh:not_a_file.py")
    assert str(caught.value) == f"error fetching plugin from repository: 404 Not Found {base}not_a_file.py"


def test_two_repositories_do_not_share_copies(tmp_path: Path) -> None:
    first, second = Repository("http://a/", tmp_path, SystemClock()), Repository("http://b/", tmp_path, SystemClock())
    assert first.cached("gh:x.py") != second.cached("gh:x.py")


def test_an_address_that_is_none_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="error getting plugin from repository"):
        Repository("nonsense", tmp_path, SystemClock()).fetch("gh:x.py")
