from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.runtime import Engine
from engine.server.flight import hydrated, split
from tests.support.engines import eventually, open_engine, write
from tests.support.flight import FlightClient
from tests.support.listening import listening
from tests.support.processes import cpu_stands_still

TEXTS = pa.dictionary(pa.int32(), pa.string())
MANY = "SELECT a.value AS a, b.value AS b FROM generate_series(1, 100000) a, generate_series(1, 10000) b"
SILENT = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value < 0"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as opened:
        write(opened, "foo", "cpu,host=a usage=1 1000")
        yield opened


@pytest.fixture
def client(engine: Engine) -> Iterator[FlightClient]:
    with listening(engine) as url, FlightClient(url) as connected:
        yield connected


def database_id(engine: Engine) -> int:
    database = engine.catalog.state.database("foo")
    assert database is not None
    return database.database_id


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(TEXTS, pa.string(), id="dictionary"),
        pytest.param(pa.string_view(), pa.string(), id="view"),
        pytest.param(pa.binary_view(), pa.binary(), id="view-of-bytes"),
        pytest.param(pa.list_(TEXTS), pa.list_(pa.string()), id="in-a-list"),
        pytest.param(pa.struct([("a", TEXTS)]), pa.struct([("a", pa.string())]), id="in-a-struct"),
        pytest.param(pa.timestamp("ns"), pa.timestamp("ns"), id="time"),
    ],
)
def test_columns_travel_without_dictionaries(given: pa.DataType, expected: pa.DataType) -> None:
    schema = pa.schema([pa.field("x", given, nullable=False, metadata={"k": "v"})], metadata={"m": "n"})
    wanted = pa.schema([pa.field("x", expected, nullable=False, metadata={"k": "v"})], metadata={"m": "n"})
    assert hydrated(schema).equals(wanted, check_metadata=True)


@pytest.mark.parametrize(("rows", "most_bytes", "parts"), [(1000, 8000, 1), (1000, 800, 10), (3, 1, 3), (0, 8, 0)])
def test_messages_are_bounded(rows: int, most_bytes: int, parts: int) -> None:
    batch = pa.record_batch({"x": pa.array(range(rows), pa.int64())})
    made = list(split(batch, most_bytes))
    assert len(made) == parts
    assert [v for part in made for v in part["x"].to_pylist()] == list(range(rows))


@pytest.mark.parametrize(
    ("sql", "database", "kind", "text"),
    [
        pytest.param("SELEC", "foo", pa.ArrowInvalid, "SQL error", id="syntax"),
        pytest.param("SELECT * FROM nix", "foo", pa.ArrowInvalid, "table 'public.iox.nix' not found", id="table"),
        pytest.param("SELECT 1; SELECT 2", "foo", pa.ArrowInvalid, "single SQL statement", id="two-statements"),
        pytest.param("SELECT usage / 0, 1 / 0 FROM cpu", "foo", pa.ArrowInvalid, "Divide by zero", id="while-it-runs"),
        pytest.param("SELECT 1", "nix", fl.FlightInternalError, "database not found: nix", id="database"),
    ],
)
def test_a_failure_has_its_status_and_no_traceback(
    client: FlightClient, sql: str, database: str, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text) as caught:
        client.rows(sql, database=database)
    assert "Traceback" not in str(caught.value)
    assert ".py" not in str(caught.value)


def test_what_flight_can_do_besides_is_not_implemented(client: FlightClient) -> None:
    with pytest.raises(NotImplementedError):
        list(client.connection.list_flights())


def test_a_query_ends_when_its_client_goes(client: FlightClient) -> None:
    stream = client.ask(MANY)
    stream.read_chunk()
    stream.cancel()
    del stream
    running = "SELECT count(*) AS n FROM system.queries WHERE running AND query_text NOT LIKE '%system.queries%'"
    eventually(lambda: client.rows(running)["n"].to_pylist() == [0])


def test_a_query_ends_when_its_client_goes_before_the_first_row(client: FlightClient) -> None:
    client.rows("SELECT 1")  # DataFusion is there
    with pytest.raises(fl.FlightTimedOutError):
        client.ask(SILENT, wait_s=0.3)
    asked = "SELECT phase, query_type FROM system.queries WHERE query_text LIKE '%1000000000000%' LIMIT 1"
    eventually(lambda: client.rows(asked).to_pylist() == [{"phase": "cancel", "query_type": "sql"}])
    eventually(cpu_stands_still)


def test_the_end_of_the_server_ends_queries_without_rows(engine: Engine) -> None:
    with ThreadPoolExecutor(1) as pool:
        with listening(engine) as url:
            client = FlightClient(url)
            asking = pool.submit(client.ask, SILENT)
            eventually(
                lambda: [r.phase for r in engine.query_log.records(database_id(engine))] == ["physically_planned"]
            )
        assert isinstance(asking.exception(20), fl.FlightError)
    eventually(cpu_stands_still)


def test_the_end_of_the_server_ends_calls_that_nobody_reads(engine: Engine) -> None:
    with listening(engine) as url:
        client = FlightClient(url)
        stream = client.ask(MANY)
        stream.read_chunk()
    with pytest.raises(fl.FlightError):
        stream.read_all()


def test_there_is_no_socket_before_the_first_client(engine: Engine) -> None:
    with listening(engine) as url:
        assert not engine.paths.flight.exists()
        with FlightClient(url) as client:
            assert client.rows("SELECT 1 AS one")["one"].to_pylist() == [1]
        assert engine.paths.flight.exists()
    assert not engine.paths.flight.exists()


def test_a_folder_whose_name_no_address_holds_serves_too(tmp_path: Path) -> None:
    with (
        open_engine(tmp_path / "a name with blanks, and very long" / ("x" * 100)) as engine,
        listening(engine) as url,
        FlightClient(url) as client,
    ):
        write(engine, "foo", "cpu v=1 1")
        assert client.rows("SELECT v FROM cpu")["v"].to_pylist() == [1.0]


def test_calls_are_counted_by_how_they_ended(engine: Engine) -> None:
    with listening(engine) as url, FlightClient(url) as client:
        client.rows("SELECT 1")
        with pytest.raises(pa.ArrowInvalid):
            client.rows("SELEC")
        stream = client.ask(MANY)
        stream.read_chunk()
        stream.cancel()
        del stream

        def counted() -> dict[str, float]:
            families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
            samples = (sample for family in families for sample in family.samples)
            return {s.labels["status"]: s.value for s in samples if s.name == "grpc_requests_total"}

        eventually(lambda: counted() == {"ok": 1, "client_error": 1, "aborted": 1})
