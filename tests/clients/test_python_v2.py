"""``influxdb-client``, the official Python client of version 2, writes: a bucket is a database here."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from engine.server.version import product_version
from tests.clients.doors import DOORS, Door, door

v2 = pytest.importorskip("influxdb_client", reason="influxdb-client is not installed: make test-clients")
pd = pytest.importorskip("pandas", reason="pandas is not installed: make test-clients")

from influxdb_client.client.exceptions import InfluxDBError  # noqa: E402  # after the question whether it is there
from influxdb_client.client.write_api import ASYNCHRONOUS, SYNCHRONOUS  # noqa: E402
from influxdb_client.rest import ApiException  # noqa: E402

pytestmark = [
    pytest.mark.process,
    pytest.mark.clients,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

NS = 1_700_000_000_000_000_001


@pytest.fixture(scope="module", params=DOORS)
def entrance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture
def client(entrance: Door) -> Iterator[Any]:
    with connect(entrance) as made:
        yield made


def connect(entrance: Door, **more: Any) -> Any:
    authority = {} if entrance.authority is None else {"ssl_ca_cert": str(entrance.authority)}
    return v2.InfluxDBClient(url=entrance.url, token=entrance.token, org="any", **authority, **more)


def rows(entrance: Door, bucket: str, sql: str) -> list[dict[str, Any]]:
    """Return what a query finds; this client asks in Flux only, which InfluxDB 3 does not know."""
    verify: Any = True if entrance.authority is None else httpx.create_ssl_context()
    if entrance.authority is not None:
        verify.load_verify_locations(entrance.authority)
    answer = httpx.get(
        f"{entrance.url}/api/v3/query_sql",
        params={"db": bucket, "q": sql, "format": "json"},
        headers={"authorization": f"Bearer {entrance.token}"},
        verify=verify,
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_first_steps(entrance: Door) -> None:
    url, token = entrance.url, entrance.token
    if entrance.authority is not None:
        pytest.skip("the page shows them without TLS")
    # begin of first steps
    from influxdb_client import InfluxDBClient, Point
    from influxdb_client.client.write_api import SYNCHRONOUS

    with InfluxDBClient(url=url, token=token, org="any") as client:
        write = client.write_api(write_options=SYNCHRONOUS)
        write.write(bucket="home", record=Point("first").tag("room", "hall").field("temp", 21.5))
    # end of first steps
    assert rows(entrance, "home", "SELECT room, temp FROM first LIMIT 1") == [{"room": "hall", "temp": 21.5}]


@pytest.mark.parametrize("precision", ["s", "ms", "us", "ns"])
def test_precision(client: Any, entrance: Door, precision: str) -> None:
    unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[precision]
    write = client.write_api(write_options=SYNCHRONOUS)
    write.write("precisions", record=f"lines_{precision} v=1i {NS // unit}", write_precision=precision)
    point = v2.Point(f"points_{precision}").field("v", 1).time(NS // unit, precision)
    write.write("precisions", record=point, write_precision=precision)
    for kind in ("lines", "points"):
        found = rows(entrance, "precisions", f"SELECT CAST(time AS BIGINT) AS ns FROM {kind}_{precision}")
        assert found == [{"ns": NS // unit * unit}]


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_every_kind_of_record(entrance: Door, is_gzipped: bool) -> None:
    bucket = f"records-{is_gzipped}"
    with connect(entrance, enable_gzip=is_gzipped) as client:
        write = client.write_api(
            write_options=SYNCHRONOUS, point_settings=v2.client.write_api.PointSettings(floor="-1")
        )
        write.write(bucket, record='rooms,room=a v=1i,text="x \\"y\\"" 1')
        write.write(bucket, record=["rooms,room=b v=2i 2", b"rooms,room=c v=3i 3"])
        write.write(bucket, record={"measurement": "rooms", "tags": {"room": "d"}, "fields": {"v": 4}, "time": 4})
        write.write(bucket, record=v2.Point("rooms").tag("room", "e, f").field("v", 5).field("ok", True).time(5))
    found = rows(entrance, bucket, "SELECT room, floor, v, text, ok FROM rooms ORDER BY v")
    assert [row["room"] for row in found] == ["a", "b", "c", "d", "e, f"]
    assert [row["v"] for row in found] == [1, 2, 3, 4, 5]
    assert found[0]["text"] == 'x "y"'
    assert (found[4]["ok"], found[4]["floor"]) == (True, "-1")


def test_data_frame(client: Any, entrance: Door) -> None:
    frame = pd.DataFrame(
        {"host": ["a", "b"], "v": [1.5, None], "n": [1, 2]}, index=pd.to_datetime([NS, NS + 1], utc=True)
    )
    write = client.write_api(write_options=SYNCHRONOUS)
    write.write("frames", record=frame, data_frame_measurement_name="cpu", data_frame_tag_columns=["host"])
    found = rows(entrance, "frames", "SELECT host, v, n, CAST(time AS BIGINT) AS ns FROM cpu ORDER BY time")
    assert found == [{"host": "a", "v": 1.5, "n": 1, "ns": NS}, {"host": "b", "n": 2, "ns": NS + 1}]


def test_writes_in_batches(client: Any, entrance: Door) -> None:
    told: list[tuple[str, object]] = []
    options = v2.WriteOptions(batch_size=400, flush_interval=500, max_retries=0)
    with client.write_api(
        write_options=options,
        success_callback=lambda conf, data: told.append(
            ("good", len(data.split("\n" if isinstance(data, str) else b"\n")))
        ),
        error_callback=lambda conf, data, error: told.append(("bad", error)),
    ) as write:
        for number in range(1000):
            write.write(
                "batches", record=v2.Point("many").tag("host", f"h{number % 7}").field("v", number).time(number)
            )
    assert told == [("good", 400), ("good", 400), ("good", 200)]
    assert rows(entrance, "batches", "SELECT count(*) AS n, sum(v) AS v FROM many") == [{"n": 1000, "v": 499500}]


def test_a_batch_with_a_bad_line_tells_its_error(client: Any) -> None:
    failed: list[Any] = []
    options = v2.WriteOptions(batch_size=10, flush_interval=100, max_retries=0)
    with client.write_api(write_options=options, error_callback=lambda *told: failed.append(told)) as write:
        write.write("bad", record="many v=1 1\nmany v= 2")
    assert [(conf, error.response.status) for conf, _, error in failed] == [(("bad", "any", "ns"), 400)]


def test_asynchronous_writes(client: Any, entrance: Door) -> None:
    write = client.write_api(write_options=ASYNCHRONOUS)
    for waited in [write.write("later", record=f"many v={number}i {number}") for number in range(50)]:
        waited.get()
    assert rows(entrance, "later", "SELECT count(*) AS n FROM many") == [{"n": 50}]


@pytest.mark.parametrize(
    ("bucket", "record", "message"),
    [
        ("refused", "cpu v= 1", "write buffer error: line protocol parse failed: No fields were provided"),
        ("refused", "cpu v=1,v=2 1", "multiple instances of 'v' field found"),
        ("", "cpu v=1 1", "missing bucket value"),
        ("a.b", "cpu v=1 1", "namespace name 'a.b' contains invalid character"),
    ],
)
def test_errors_are_objects(client: Any, bucket: str, record: str, message: str) -> None:
    with pytest.raises(ApiException) as refused:
        client.write_api(write_options=SYNCHRONOUS).write(bucket, record=record)
    assert refused.value.status == 400
    assert message in str(InfluxDBError(refused.value.response).message)
    assert '"code":"invalid"' in refused.value.body


def test_wrong_token(entrance: Door) -> None:
    if entrance.is_open:
        pytest.skip("this server asks for no token")
    with connect(Door(entrance.url, "wrong", entrance.authority)) as client, pytest.raises(ApiException) as refused:
        client.write_api(write_options=SYNCHRONOUS).write("home", record="cpu v=1")
    assert refused.value.status == 401


def test_the_server_is_known(client: Any) -> None:
    assert client.ping()
    assert client.version() == product_version()
    assert client.build() == "Core"


def test_health_is_not_read(client: Any) -> None:
    """InfluxDB 3 answers ``OK``, where this client waits for JSON; ``ping`` is the call to use."""
    assert client.health().status == "fail"
