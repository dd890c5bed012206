"""The official ``influxdb3-python``: data frames, files, and every way in, with and without tokens and TLS."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.server.version import product_version
from tests.clients.doors import DOORS, Door, door

clients = pytest.importorskip("influxdb_client_3", reason="influxdb3-python is not installed: make test-clients")
pd = pytest.importorskip("pandas", reason="pandas is not installed: make test-clients")
pl = pytest.importorskip("polars", reason="polars is not installed: make test-clients")

pytestmark = [
    pytest.mark.process,
    pytest.mark.clients,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

NS = 1_700_000_000_000_000_001
SQL = "SELECT host, usage, n, text, ok, time FROM frames ORDER BY time"
ROWS = {
    "host": ["a", "b, c", "a"],
    "usage": [0.5, -1e300, 2.25],
    "n": [1, -(2**63), 2**63 - 1],
    "text": ['"q"', "ü", "x y"],
    "ok": [True, False, True],
}
TIMES = [NS, NS + 1, NS + 2]


@pytest.fixture(scope="module", params=DOORS)
def entrance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture
def client(entrance: Door, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client with a database of its own."""
    with connect(entrance, request.node.name.split("[")[0]) as made:
        yield made


def connect(entrance: Door, database: str, **more: Any) -> Any:
    authority = {} if entrance.authority is None else {"ssl_ca_cert": str(entrance.authority)}
    options = clients.flight_client_options(
        **({} if entrance.authority is None else {"tls_root_certs": entrance.authority.read_bytes()})
    )
    return clients.InfluxDBClient3(
        host=entrance.url, token=entrance.token, database=database, flight_client_options=options, **authority, **more
    )


def test_first_steps(entrance: Door, capsys: pytest.CaptureFixture[str]) -> None:
    url, token = entrance.url, entrance.token
    if entrance.authority is not None:
        pytest.skip("the page shows them without TLS")
    # begin of first steps
    from influxdb_client_3 import InfluxDBClient3, Point

    with InfluxDBClient3(host=url, token=token, database="home") as client:
        client.write(Point("first").tag("room", "hall").field("temp", 21.5))
        print(client.query("SELECT room, temp FROM first", mode="pandas"))
    # end of first steps
    assert "hall" in capsys.readouterr().out


def test_version(client: Any) -> None:
    assert client.get_server_version() == product_version()


def test_frame_of_pandas_comes_back(client: Any) -> None:
    frame = pd.DataFrame({**ROWS, "time": pd.to_datetime(TIMES, utc=True)})
    client.write_dataframe(frame, measurement="frames", timestamp_column="time", tags=["host"])
    read = client.query_dataframe(SQL)
    assert {name: list(read[name]) for name in ROWS} == ROWS
    assert [time.value for time in read["time"]] == TIMES
    assert str(read["time"].dtype) == "datetime64[ns]"


def test_frame_of_polars_comes_back(client: Any) -> None:
    frame = pl.DataFrame({**ROWS, "time": pl.Series(TIMES).cast(pl.Datetime("ns", "UTC"))})
    client.write_dataframe(frame, measurement="frames", timestamp_column="time", tags=["host"])
    read = client.query_dataframe(SQL, frame_type="polars")
    assert read.drop("time").to_dict(as_series=False) == ROWS
    assert read["time"].dtype == pl.Datetime("ns")
    assert read["time"].cast(pl.Int64).to_list() == TIMES


def test_frame_of_pandas_with_an_index_of_times(client: Any) -> None:
    frame = pd.DataFrame({"v": [1.0, None, 3.0], "host": "a"}, index=pd.to_datetime(TIMES, utc=True))
    client.write(frame, data_frame_measurement_name="frames", data_frame_tag_columns=["host"])
    assert client.query("SELECT v FROM frames ORDER BY time")["v"].to_pylist() == [1.0, 3.0]


@pytest.mark.parametrize("mode", ["all", "pandas", "polars", "chunk", "reader", "schema", "any other"])
def test_mode(client: Any, mode: str) -> None:
    client.write("cpu,host=a v=1 1\ncpu,host=b v=2 2")
    read = client.query("SELECT host, v FROM cpu ORDER BY time", mode=mode)
    if mode == "schema":
        assert read.names == ["host", "v"]
        return
    if mode == "chunk":
        values = [value for chunk in read for value in chunk.data["v"].to_pylist()]
    elif mode == "reader":
        values = read.read_all()["v"].to_pylist()
    else:
        values = list(read["v"] if mode in ("pandas", "polars") else read["v"].to_pylist())
    assert values == [1.0, 2.0]


@pytest.mark.parametrize("mode", ["all", "pandas", "polars"])
def test_result_without_rows_has_columns(client: Any, mode: str) -> None:
    client.write("cpu,host=a v=1 1")
    read = client.query("SELECT host, v, time FROM cpu WHERE v > 5", mode=mode)
    assert len(read) == 0
    assert list(read.column_names if mode == "all" else read.columns) == ["host", "v", "time"]


def test_query_in_an_event_loop(client: Any) -> None:
    client.write("cpu,host=a v=1 1")
    read = asyncio.run(client.query_async("SELECT v FROM cpu WHERE host = $host", query_parameters={"host": "a"}))
    assert read["v"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    "parameters",
    [{"x": "b"}, {"x": "it's"}, {"x": 1}, {"x": 1_763_000_000_000_000_000}, {"x": 1.5}, {"x": True}, {"x": None}],
)
def test_parameter(client: Any, parameters: dict[str, object]) -> None:
    client.write("cpu v=1 1")
    assert client.query("SELECT $x AS x", query_parameters=parameters)["x"].to_pylist() == [parameters["x"]]


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "json"])
def test_file(client: Any, tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"host": ["a", "b"], "v": [1.5, 2.5], "time": pd.to_datetime([10**9, 2 * 10**9], utc=True)})
    path = tmp_path / f"rows.{ending}"
    if ending == "json":
        frame.assign(time=["1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"]).to_json(path, orient="records")
    else:
        getattr(frame, f"to_{ending}")(path, **({"index": False} if ending == "csv" else {}))
    client.write_file(str(path), measurement_name=ending, tag_columns=["host"])
    read = client.query(f"SELECT host, v, CAST(time AS BIGINT) AS ns FROM {ending} ORDER BY time")
    assert read.to_pylist() == [{"host": "a", "v": 1.5, "ns": 10**9}, {"host": "b", "v": 2.5, "ns": 2 * 10**9}]


@pytest.mark.parametrize("use_v2", [False, True])
@pytest.mark.parametrize("precision", ["s", "ms", "us", "ns"])
def test_precision(client: Any, precision: str, use_v2: bool) -> None:
    units = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
    table = f"p{precision}{use_v2}".lower()
    client.write(f"{table} v=1 {NS // units[precision]}", write_precision=precision, use_v2_api=use_v2)
    read = client.query(f"SELECT CAST(time AS BIGINT) AS ns FROM {table}")["ns"].to_pylist()
    assert read == [NS // units[precision] * units[precision]]


def test_dictionaries_and_defaults(entrance: Door) -> None:
    settings = clients.PointSettings(**{"floor": "-1"})
    with connect(entrance, "defaults", point_settings=settings, enable_gzip=True) as client:
        record = {"measurement": "rooms", "tags": {"room": "hall"}, "fields": {"v": 1, "w": 2.5}, "time": NS}
        client.write([record, clients.Point("rooms").tag("room", "attic").field("v", 2).time(NS)])
        read = client.query("SELECT floor, room, v, w FROM rooms ORDER BY room")
    assert read.to_pylist() == [
        {"floor": "-1", "room": "attic", "v": 2, "w": None},
        {"floor": "-1", "room": "hall", "v": 1, "w": 2.5},
    ]


@pytest.mark.parametrize("kind", ["SYNCHRONOUS", "ASYNCHRONOUS", "batching"])
def test_writes_of_each_kind(entrance: Door, kind: str) -> None:
    from influxdb_client_3.write_client.client.write_api import ASYNCHRONOUS, SYNCHRONOUS

    kinds = {"SYNCHRONOUS": SYNCHRONOUS, "ASYNCHRONOUS": ASYNCHRONOUS}
    options = kinds.get(kind, clients.WriteOptions(batch_size=500, flush_interval=500))
    made = clients.write_client_options(write_options=options)
    with connect(entrance, f"kind_{kind.lower()}", write_client_options=made, enable_gzip=True) as client:
        pending = [client.write(f"many,host=h{number % 7} v={number}i {number}") for number in range(1200)]
        if kind == "ASYNCHRONOUS":
            for waited in pending:
                waited.get()
        client.flush()
        read = client.query("SELECT count(*) AS n, sum(v) AS v FROM many")
    assert read.to_pylist() == [{"n": 1200, "v": sum(range(1200))}]


def test_lines_that_are_refused_are_named(client: Any) -> None:
    with pytest.raises(clients.InfluxDBError) as refused:
        client.write("lines v=1 1\nlines v= 2\nlines v=3 3", use_v2_api=False)
    assert [(line.line_number, line.error_message, line.original_line) for line in refused.value.line_errors] == [
        (2, "No fields were provided", "lines v= 2")
    ]
    assert client.query("SELECT v FROM lines ORDER BY time")["v"].to_pylist() == [1.0, 3.0]


@pytest.mark.parametrize("options", [{"accept_partial": False, "use_v2_api": False}, {"use_v2_api": True}])
def test_all_lines_or_none(client: Any, options: dict[str, bool]) -> None:
    with pytest.raises(clients.InfluxDBError, match="No fields were provided") as refused:
        client.write("strict v=1 1\nstrict v= 2", **options)
    assert refused.value.response.status == 400
    with pytest.raises(clients.InfluxDB3ClientQueryError, match=r"table 'public\.iox\.strict' not found"):
        client.query("SELECT * FROM strict")


def test_no_sync(client: Any) -> None:
    client.write("quick v=1i 1", no_sync=True, use_v2_api=False)
    client.write("quick v=2i 2")
    assert client.query("SELECT v FROM quick ORDER BY time")["v"].to_pylist() == [1, 2]


def test_large_result(client: Any) -> None:
    client.write([f"many v={number}i {number}" for number in range(1000)])
    sql = "SELECT a.v, repeat('x', 100) AS x FROM many a CROSS JOIN (SELECT v FROM many LIMIT 200) b"
    assert sum(chunk.data.num_rows for chunk in client.query(sql, mode="chunk")) == 200_000


def test_many_threads_share_a_client(client: Any) -> None:
    def write(number: int) -> None:
        client.write(f"many v={number}i {number}")

    def ask(number: int) -> list[int]:
        values: list[int] = client.query(f"SELECT v FROM many WHERE v = {number}")["v"].to_pylist()
        return values

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(write, range(200)))
        assert list(threads.map(ask, range(200))) == [[number] for number in range(200)]


def test_a_time_limit_is_a_deadline(client: Any) -> None:
    client.write("cpu v=1 1")
    endless = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value < 0"
    with pytest.raises(clients.InfluxDB3ClientQueryError, match="Deadline Exceeded"):
        client.query(endless, timeout=0.5)
    assert client.query("SELECT v FROM cpu")["v"].to_pylist() == [1.0]


def test_wrong_token(entrance: Door) -> None:
    if entrance.is_open:
        pytest.skip("this server asks for no token")
    stranger = Door(entrance.url, "wrong", entrance.authority)
    with connect(stranger, "home") as client:
        with pytest.raises(clients.InfluxDBError) as refused:
            client.write("cpu v=1")
        assert refused.value.response.status == 401
        with pytest.raises(clients.InfluxDB3ClientQueryError, match="the request was not authenticated"):
            client.query("SELECT 1")


def test_certificate_of_a_stranger(entrance: Door) -> None:
    if entrance.authority is None:
        pytest.skip("this server has no certificate")
    stranger = clients.InfluxDBClient3(host=entrance.url, token=entrance.token, database="home")
    with stranger, pytest.raises(Exception, match=r"(?i)certificate verify failed"):
        stranger.write("cpu v=1")
