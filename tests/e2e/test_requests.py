"""Request triggers of a real server: answers in parts, clients that leave, a hundred slow requests at once."""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.engines import eventually
from tests.support.live import Client
from tests.support.serving import Serving, serving

pytestmark = pytest.mark.process

FUNCTION = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
PLUGINS = {
    # Yields a part, and the next one when a file is there.
    "parts": "import os, time\n" + FUNCTION + "    def parts():\n"
    "        yield 'first,'\n"
    "        while not os.path.exists(query_parameters['file']):\n"
    "            time.sleep(0.002)\n"
    "        influxdb3_local.write(LineBuilder('done').int64_field('n', 1))\n"
    "        yield b'\\xff'\n"
    "    return parts(), 200, {'Content-Type': 'text/csv'}\n",
    "breaks": FUNCTION + "    yield 'first,'\n    influxdb3_local.write(LineBuilder('broken').int64_field('n', 1))\n"
    "    raise ValueError('x')\n",
    # Ends the host once it has yielded.
    "kills": "import os, time\n" + FUNCTION + "    yield 'first,'\n    time.sleep(0.05)\n    os._exit(1)\n",
    "endless": "import time\n" + FUNCTION + "    try:\n"
    "        while True:\n"
    "            yield 'data\\n'\n"
    "            time.sleep(0.005)\n"
    "    finally:\n"
    "        influxdb3_local.write(LineBuilder('closed').int64_field('n', 1))\n",
    "large": FUNCTION + "    for _ in range(400):\n        yield bytes(100_000)\n",
    "small": FUNCTION + "    for number in range(20_000):\n        yield f'{number}\\n'\n",
    "slow": "import time\n"
    + FUNCTION
    + "    influxdb3_local.write(LineBuilder('slow').tag('n', query_parameters['n']).int64_field('v', 1))\n"
    "    time.sleep(float(args['s']))\n"
    "    return query_parameters['n']\n",
    "quick": FUNCTION + "    return 'quick'\n",
    "sleeps": "import time\n" + FUNCTION + "    influxdb3_local.info('begun')\n    time.sleep(60)\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("requests")
    plugins = folder / "plugins"
    plugins.mkdir()
    for name, code in PLUGINS.items():
        (plugins / f"{name}.py").write_text(code)
    with serving(folder, "--without-auth", "--plugin-dir", str(plugins)) as served:
        client = Client(served.url, "foo")
        httpx.post(f"{served.url}/api/v3/configure/database", json={"db": "foo"}).raise_for_status()
        for name in PLUGINS:
            if name not in ("slow", "sleeps"):
                client.create_trigger(name, f"request:{name}", f"{name}.py")
        client.create_trigger("sync", "request:sync", "slow.py", trigger_arguments={"s": "0.004"})
        client.create_trigger("async", "request:async", "slow.py", trigger_arguments={"s": "0.1"}, run_async=True)
        client.create_trigger("sleeps", "request:sleeps", "sleeps.py", timeout_s=0.2)
        client.close()
        yield served


@pytest.fixture
def client(server: Serving) -> Iterator[Client]:
    opened = Client(server.url, "foo")
    yield opened
    opened.close()


def engine(server: Serving, path: str) -> str:
    return f"{server.url}/api/v3/engine/{path}"


def test_parts_reach_the_client_as_they_come_and_the_end_after_the_commit(
    server: Serving, client: Client, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    with httpx.stream("GET", engine(server, f"parts?file={go}")) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv")
        assert answer.headers["transfer-encoding"] == "chunked"
        pieces = answer.iter_raw()
        assert next(pieces) == b"first,"
        assert client.rows("SELECT n FROM done") == []
        go.touch()
        assert b"".join(pieces) == b"\xff"
    assert client.rows("SELECT n FROM done") == [{"n": 1}]


def test_an_answer_that_fails_half_way_ends_without_its_end(server: Serving, client: Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(engine(server, "breaks"))
    assert client.rows("SELECT n FROM broken") == []
    assert httpx.get(engine(server, "quick")).text == "quick"


def test_who_ends_the_host_half_way_is_found_all_the_same(server: Serving) -> None:
    """The run is repeated alone, its parts go nowhere, and it proves itself guilty."""
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(engine(server, "kills"), timeout=30)
    eventually(lambda: "runs in a plugin host of its own from now on" in server.log.read_text())
    assert httpx.get(engine(server, "quick")).text == "quick"


def test_an_endless_answer_ends_with_its_client(server: Serving, client: Client) -> None:
    for number in (1, 2):  # the second would wait for the first for ever
        with httpx.stream("GET", engine(server, "endless"), timeout=10) as answer:
            assert next(answer.iter_lines()) == "data"
        assert client.rows_when("SELECT n FROM closed", lambda rows, n=number: len(rows) == n)  # type: ignore[misc]


@pytest.mark.parametrize(("path", "size"), [("large", 40_000_000), ("small", 108_890)])
def test_long_answers_arrive_whole(server: Serving, path: str, size: int) -> None:
    assert len(httpx.get(engine(server, path), timeout=30).content) == size


def test_a_client_that_leaves_is_not_run_later(server: Serving, client: Client) -> None:
    address = server.url.removeprefix("http://")
    for _ in range(3):
        leaving = http.client.HTTPConnection(address)
        leaving.request("GET", "/api/v3/engine/sleeps")
        eventually(
            lambda: bool(client.rows("SELECT run_id FROM system.processing_engine_logs WHERE log_text = 'begun'"))
        )
        leaving.close()
    assert httpx.get(engine(server, "sleeps"), timeout=30).status_code == 504
    begun = "SELECT run_id FROM system.processing_engine_logs WHERE log_text = 'begun' AND trigger_name = 'sleeps'"
    assert len(client.rows_when(begun, lambda rows: len(rows) >= 2)) == 2


@pytest.mark.parametrize("trigger", ["sync", "async"])
def test_a_hundred_slow_requests_starve_nothing(server: Serving, client: Client, trigger: str) -> None:  # B5.21
    client.write("beside v=0")
    slowest_s = 0.0
    with ThreadPoolExecutor(100) as pool, httpx.Client(limits=httpx.Limits(max_connections=None)) as many:
        asked = [pool.submit(many.get, engine(server, f"{trigger}?n={n}"), timeout=60) for n in range(100)]
        beside = 0
        while not all(future.done() for future in asked):
            began_s = time.monotonic()
            assert client.write(f"beside v={beside}")
            assert httpx.get(engine(server, "quick")).text == "quick"
            assert client.rows("SELECT count(*) AS n FROM beside")
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            beside += 1
        assert [future.result().text for future in asked] == [str(n) for n in range(100)]
    assert beside >= 1
    assert slowest_s < 5.0, "requests wait for each other"
    assert client.rows("SELECT count(DISTINCT n) AS n FROM slow") == [{"n": 100}]


def test_an_answer_that_nobody_reads_keeps_nothing_else_waiting(server: Serving) -> None:
    address = server.url.removeprefix("http://")
    idle = [http.client.HTTPConnection(address) for _ in range(3)]
    for connection in idle:
        connection.request("GET", "/api/v3/engine/large")
    assert httpx.get(engine(server, "quick")).text == "quick"
    for connection in idle:
        connection.close()
    assert len(httpx.get(engine(server, "large"), timeout=30).content) == 40_000_000
