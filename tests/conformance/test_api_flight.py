"""Server API §12.6: queries over Arrow Flight."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.conformance.checklist import row
from tests.support.engines import open_engine, write
from tests.support.flight import FlightClient
from tests.support.listening import listening

LINES = "cpu,host=a,region=us usage=0.5,cores=4i 1000\ncpu,host=b usage=1.5,cores=8i 2000"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlightClient]:
    with (
        open_engine(tmp_path_factory.mktemp("flight")) as engine,
        listening(engine) as url,
        FlightClient(url) as connected,
    ):
        write(engine, "foo", LINES)
        yield connected


@row("S153")
@pytest.mark.parametrize("name", ["database", "namespace_name", "bucket", "bucket-name"])
def test_do_get(client: FlightClient, name: str) -> None:
    ticket = {name: "foo", "sql_query": "SELECT * FROM cpu ORDER BY time", "query_type": "sql"}
    table = client.get(json.dumps(ticket).encode()).read_all()
    types = {"cores": "int64", "host": "string", "region": "string", "time": "timestamp[ns]", "usage": "double"}
    assert {field.name: str(field.type) for field in table.schema} == types
    assert table["host"].to_pylist() == ["a", "b"]
    assert table["region"].to_pylist() == ["us", None]


@row("S153")
def test_an_empty_result_has_its_columns(client: FlightClient) -> None:
    table = client.rows("SELECT host, time FROM cpu WHERE host = 'nobody'")
    assert table.num_rows == 0
    assert [str(field.type) for field in table.schema] == ["string", "timestamp[ns]"]


@row("S157")
def test_no_ticket(client: FlightClient) -> None:
    with pytest.raises(pa.ArrowInvalid, match=r"Invalid ticket\. Error: Invalid ticket"):
        client.get(b"xyz").read_all()


@row("S158")
def test_parameters(client: FlightClient) -> None:
    table = client.rows("SELECT host FROM cpu WHERE usage > $least AND cores = $cores", params={"least": 1, "cores": 8})
    assert table["host"].to_pylist() == ["b"]


@row("S165")
def test_tokens(tmp_path: Path) -> None:
    with open_engine(tmp_path, without_auth=False) as engine, listening(engine) as url:
        token = engine.tokens.create_admin().token
        basic = base64.b64encode(f"anybody:{token}".encode()).decode()
        for wrong in (None, "Bearer apiv3_wrong", f"Digest {token}", "Bearer", f"Bearer {token} x"):
            with FlightClient(url, wrong) as client, pytest.raises(fl.FlightUnauthenticatedError):
                client.rows("SELECT 1", database="_internal")
        for right in (f"Bearer {token}", f"Token {token}", f"Basic {basic}"):
            with FlightClient(url, right) as client:
                assert client.rows("SELECT 1 AS one", database="_internal")["one"].to_pylist() == [1]


@row("S166")
def test_metadata_of_columns(client: FlightClient) -> None:
    schema = client.ask("SELECT host, usage, time FROM cpu WHERE usage > 0").schema
    kinds = ["tag", "field::float", "timestamp"]
    assert [field.metadata for field in schema] == [
        {b"iox::column::type": f"iox::column_type::{k}".encode()} for k in kinds
    ]
