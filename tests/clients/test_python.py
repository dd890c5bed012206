"""The official ``influxdb3-python`` against a real server with tokens."""

from collections.abc import Iterator

import httpx
import pytest
from influxdb_client_3 import InfluxDBClient3, InfluxDBError, Point, WriteOptions, write_client_options
from influxdb_client_3.exceptions import InfluxDB3ClientQueryError

from tests.support.serving import serving

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serving(tmp_path_factory.mktemp("python")) as served:
        token = httpx.post(f"{served.url}/api/v3/configure/token/admin").json()["token"]
        yield served.url, token


@pytest.fixture(scope="module")
def client(server: tuple[str, str]) -> Iterator[InfluxDBClient3]:
    url, token = server
    with InfluxDBClient3(host=url, token=token, database="home") as made:
        made.write([Point("cpu").tag("host", host).field("usage", usage).time(1) for host, usage in USAGES])
        yield made


USAGES = [("a", 0.5), ("b", 1.5)]
SQL = "SELECT host, usage FROM cpu ORDER BY host"


def test_a_query_gives_a_table(client: InfluxDBClient3) -> None:
    table = client.query(SQL)
    assert table.to_pylist() == [{"host": host, "usage": usage} for host, usage in USAGES]


def test_a_query_gives_a_reader(client: InfluxDBClient3) -> None:
    assert client.query(SQL, mode="reader").read_all()["usage"].to_pylist() == [0.5, 1.5]


def test_a_query_gives_a_schema(client: InfluxDBClient3) -> None:
    assert client.query(SQL, mode="schema").names == ["host", "usage"]


def test_a_query_gives_a_data_frame(client: InfluxDBClient3) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    assert list(client.query(SQL, mode="pandas")["usage"]) == [0.5, 1.5]


def test_parameters(client: InfluxDBClient3) -> None:
    table = client.query("SELECT usage FROM cpu WHERE host = $host", query_parameters={"host": "b"})
    assert table["usage"].to_pylist() == [1.5]


def test_a_query_that_fails(client: InfluxDBClient3) -> None:
    with pytest.raises(InfluxDB3ClientQueryError, match=r"table 'public\.iox\.nix' not found"):
        client.query("SELECT * FROM nix")


def test_a_wrong_token(server: tuple[str, str]) -> None:
    with (
        InfluxDBClient3(host=server[0], token="wrong", database="home") as client,
        pytest.raises(InfluxDB3ClientQueryError, match="not authenticated"),
    ):
        client.query("SELECT 1")


def test_lines_that_are_refused(client: InfluxDBClient3) -> None:
    with pytest.raises(InfluxDBError) as refused:
        client.write("cpu,host=c usage=1 1\ncpu,host=c usage=true 2")
    assert refused.value.response.status == 400


def test_writes_in_batches(server: tuple[str, str], client: InfluxDBClient3) -> None:
    failed: list[object] = []
    options = write_client_options(
        success_callback=lambda *_: None,
        error_callback=lambda *told: failed.append(told),
        write_options=WriteOptions(batch_size=100, flush_interval=1000),
    )
    url, token = server
    with InfluxDBClient3(host=url, token=token, database="home", write_client_options=options) as batching:
        for number in range(1000):
            batching.write(Point("batched").tag("host", str(number % 5)).field("v", number).time(number))
    assert not failed
    assert client.query("SELECT count(*) AS n FROM batched")["n"].to_pylist() == [1000]
