"""``influxdb3 serve`` as a process: start, stop, and the failures that a person meets."""

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.serving import PROGRAM, Serving, clean_environment, serving

pytestmark = pytest.mark.process

WAIT_S = 60
WRITE = "/api/v3/write_lp?db=foo"
SLEEPER = (
    "import time\n"
    "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
    "    influxdb3_local.info('sleeping')\n"
    "    time.sleep(float(query_parameters['s']))\n"
    "    return 'slept'\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "node", "--without-auth") as served:
        yield served


def failure(folder: Path, *options: str) -> tuple[int, str]:
    """Return exit code and standard error of a server that does not start."""
    ended = subprocess.run(
        [PROGRAM, "serve", "--without-auth", *options],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=folder,
        env=clean_environment(folder),
        check=False,
    )
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended.returncode, ended.stderr


def stopped(served: Serving, number: int = signal.SIGTERM) -> str:
    """Stop a server; return its log."""
    served.process.send_signal(number)
    assert served.process.wait(WAIT_S) == 0
    return served.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_tells_that_it_is_up_and_stops_in_good_order(server: Serving, number: int) -> None:
    assert httpx.get(f"{server.url}/health").text == "OK"
    log = stopped(server, number)
    ready = next(line for line in log.splitlines() if "startup time: " in line)
    assert re.search(r"startup time: \d+ms address=127\.0\.0\.1:\d+$", ready)
    assert server.url.endswith(ready.partition("address=")[2].partition(" ")[0])
    assert "Traceback" not in log
    assert log.rstrip().endswith("stopped")


def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:  # fact 167, stopped in good order
    for number in (1, 2):
        with serving(tmp_path, "--without-auth") as served:
            assert httpx.post(served.url + WRITE, content=f"cpu v={number}i {number}").status_code == 204
            sql = {"db": "foo", "q": "SELECT count(*) AS n FROM cpu"}
            assert httpx.get(f"{served.url}/api/v3/query_sql", params=sql).json() == [{"n": number}]
            stopped(served)


def test_an_address_in_use_is_told(server: Serving, tmp_path: Path) -> None:
    address = server.url.removeprefix("http://")
    code, text = failure(tmp_path, "--http-bind", address)
    assert (code, text.startswith(f"Serve command failed: address {address} is in use (")) == (1, True)


def test_a_data_folder_in_use_is_told(server: Serving, tmp_path: Path) -> None:
    code, text = failure(tmp_path, "--http-bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "node" / "data"))
    assert code == 1
    assert text.startswith("Serve command failed: ")
    assert len(text.splitlines()) == 1


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, text = failure(tmp_path, "--http-bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "file" / "data"))
    assert code == 1
    assert re.fullmatch(r"Serve command failed: .*file/data.*: .*\n", text)


def test_a_broken_catalog_is_told_with_its_line(tmp_path: Path) -> None:
    with serving(tmp_path, "--without-auth") as served:
        stopped(served)
    catalog = tmp_path / "data" / "node0" / "catalog.toml"
    catalog.write_text(catalog.read_text() + "nonsense = 1\n")
    code, text = failure(tmp_path, "--http-bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert code == 1
    assert "catalog.toml" in text
    assert "nonsense" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(("bind", "is_loud"), [("127.0.0.1:0", False), ("0.0.0.0:0", True)])
def test_no_authentication_on_an_open_address_is_warned_of(tmp_path: Path, bind: str, is_loud: bool) -> None:
    with serving(tmp_path, "--without-auth", "--http-bind", bind) as served:
        log = stopped(served)
    assert ("ANYBODY WHO REACHES" in log) is is_loud


def test_a_request_under_way_is_finished_before_the_end(tmp_path: Path) -> None:  # fact 171
    with sleeping(tmp_path, seconds=1.5) as (served, answers):
        stopped(served)
    assert answers == [(200, "slept")]


def test_a_plugin_that_does_not_end_does_not_hold_the_end_up(tmp_path: Path) -> None:  # B9.17
    with sleeping(tmp_path, "--shutdown-timeout", "1s", seconds=3600) as (served, answers):
        served.process.terminate()
        assert served.process.wait(15) == 0
    assert answers == [(503, '{"error":"server is shutting down"}')]
    assert "Traceback" not in served.log.read_text()


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    with sleeping(tmp_path, seconds=3600) as (served, answers):
        served.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            served.process.wait(0.5)
        served.process.terminate()
        assert served.process.wait(15) == -signal.SIGTERM
    assert answers == []


def test_a_query_without_end_keeps_nobody_waiting(server: Serving) -> None:
    lines = "\n".join(f"many v={number}i {number + 1}" for number in range(20_000))
    httpx.post(server.url + WRITE, content=lines)
    endless = "SELECT count(*) FROM many a, many b, many c WHERE a.v + b.v + c.v < 3"
    query = f"{server.url}/api/v3/query_sql"
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(query, params={"db": "foo", "q": endless}, timeout=1)
    assert httpx.get(query, params={"db": "foo", "q": "SELECT 1 AS n"}, timeout=WAIT_S).json() == [{"n": 1}]
    server.process.terminate()
    assert server.process.wait(15) == 0


def test_a_body_over_the_limit_is_answered_and_ends_the_connection(tmp_path: Path) -> None:  # facts 19, §13.12
    with serving(tmp_path, "--without-auth", "--max-http-request-size", "100000") as served:
        answer = httpx.post(served.url + WRITE, content=b"x" * 100_001)
        assert (answer.status_code, answer.text) == (413, "max request size (100000 bytes) exceeded")
        assert answer.headers["connection"] == "close"
        assert _endless_body(served).startswith(b"HTTP/1.1 413 ")


def test_requests_share_a_connection_and_need_no_names(server: Serving) -> None:
    with httpx.Client(base_url=server.url) as client:
        first = client.get("/nope")
        second = client.head("/ping")
        third = client.post(WRITE, content="cpu v=1")
    assert [first.status_code, second.status_code, third.status_code] == [404, 404, 204]
    assert "connection" not in first.headers
    assert "server" not in first.headers
    assert "content-length" not in third.headers


def _endless_body(served: Serving) -> bytes:
    """Return the answer to a chunked body that would go on for ever."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    with socket.create_connection((host, int(port)), WAIT_S) as connection:
        connection.sendall(f"POST {WRITE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        with suppress(OSError):  # the server ended it
            while sent < 100_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
        assert sent < 100_000_000
        return connection.recv(1000)


@contextmanager
def sleeping(folder: Path, *options: str, seconds: float) -> Iterator[tuple[Serving, list[tuple[int, str]]]]:
    """Run a server with a request under way that sleeps; its answer is in the list at the end, unless none came."""
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "sleeper.py").write_text(SLEEPER)
    answers: list[tuple[int, str]] = []
    with serving(folder / "node", "--without-auth", "--plugin-dir", str(plugins), *options) as served:
        _create_sleeper(served)

        def ask() -> None:
            with suppress(httpx.RequestError):
                answer = httpx.get(f"{served.url}/api/v3/engine/sleep?s={seconds}", timeout=WAIT_S)
                answers.append((answer.status_code, answer.text))

        asking = threading.Thread(target=ask)
        asking.start()
        _wait_until_run_begins(served)
        yield served, answers
        asking.join()


def _create_sleeper(served: Serving) -> None:
    httpx.post(f"{served.url}/api/v3/configure/database", json={"db": "foo"})
    body = {
        "db": "foo",
        "plugin_filename": "sleeper.py",
        "trigger_name": "sleeper",
        "trigger_settings": {"run_async": False, "error_behavior": "log"},
        "trigger_specification": "request:sleep",
        "disabled": False,
    }
    answer = httpx.post(f"{served.url}/api/v3/configure/processing_engine_trigger", json=body)
    assert answer.status_code == 200, answer.text
    assert httpx.get(f"{served.url}/api/v3/engine/sleep?s=0", timeout=WAIT_S).text == "slept"


def _wait_until_run_begins(served: Serving) -> None:
    """Return when the log of the plugin says that a second run began."""
    sql = "SELECT count(*) AS n FROM system.processing_engine_logs WHERE log_text = 'sleeping'"
    params = {"db": "foo", "q": sql}
    for _ in range(1000):
        if httpx.get(f"{served.url}/api/v3/query_sql", params=params).json() == [{"n": 2}]:
            return
    raise AssertionError("no second run began")
