"""``influxdb``, the official Python client of version 1, writes; the token is its password."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients.doors import Door, door

v1 = pytest.importorskip("influxdb", reason="influxdb is not installed: make test-clients")

pytestmark = [pytest.mark.process, pytest.mark.clients, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def entrance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door("token", tmp_path_factory.mktemp("v1")) as opened:
        yield opened


def connect(entrance: Door, password: str, **more: Any) -> Any:
    place = urlsplit(entrance.url)
    return v1.InfluxDBClient(
        host=place.hostname, port=place.port, username="any", password=password, database="old", **more
    )


def rows(entrance: Door, database: str, sql: str) -> Any:
    asked = {"db": database, "q": sql, "format": "json"}
    authorization = {"authorization": f"Bearer {entrance.token}"}
    return httpx.get(f"{entrance.url}/api/v3/query_sql", params=asked, headers=authorization).json()


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_points(entrance: Door, is_gzipped: bool) -> None:
    table = f"points_{is_gzipped}".lower()
    points = [
        {"measurement": table, "tags": {"host": "a"}, "fields": {"v": n, "s": "x"}, "time": n} for n in range(500)
    ]
    client = connect(entrance, entrance.token, gzip=is_gzipped)
    assert client.write_points(points, time_precision="n", batch_size=200)
    assert rows(entrance, "old", f"SELECT count(*) AS n, sum(v) AS v FROM {table}") == [{"n": 500, "v": 124750}]


@pytest.mark.parametrize(("precision", "ns"), [("n", 1), ("u", 10**3), ("ms", 10**6), ("s", 10**9)])
def test_precision(entrance: Door, precision: str, ns: int) -> None:
    client = connect(entrance, entrance.token)
    assert client.write_points([f"p{precision} v=1 7"], protocol="line", time_precision=precision)
    assert rows(entrance, "old", f"SELECT CAST(time AS BIGINT) AS ns FROM p{precision}") == [{"ns": 7 * ns}]


def test_retention_policy_is_a_database_of_its_own(entrance: Door) -> None:
    assert connect(entrance, entrance.token).write_points(["cpu v=1 1"], protocol="line", retention_policy="week")
    assert rows(entrance, "old/week", "SELECT v FROM cpu") == [{"v": 1.0}]


@pytest.mark.parametrize(
    ("password", "line", "status", "text"),
    [("", "cpu v=", 400, "No fields were provided"), ("wrong", "cpu v=1", 401, "the request was not authenticated")],
)
def test_errors(entrance: Door, password: str, line: str, status: int, text: str) -> None:
    with pytest.raises(v1.exceptions.InfluxDBClientError, match=text) as refused:
        connect(entrance, password or entrance.token).write_points([line], protocol="line")
    assert refused.value.code == status
