"""Server API §12.6: queries over Arrow Flight."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from engine.server.read_info import TYPE_URL
from tests.conformance.checklist import row
from tests.support.engines import open_engine, write
from tests.support.flight import FlightClient
from tests.support.listening import listening
from tests.support.protobuf import message

LINES = "cpu,host=a,region=us usage=0.5,cores=4i 1000\ncpu,host=b usage=1.5,cores=8i 2000"


def in_any(content: bytes) -> bytes:
    return message([(1, TYPE_URL), (2, content)])


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
@pytest.mark.parametrize("wrap", [bytes, in_any], ids=["bare", "any"])
def test_do_get_with_a_message(client: FlightClient, wrap: Callable[[bytes], bytes]) -> None:
    ticket = message(
        [(1, "foo"), (2, "SELECT host FROM cpu WHERE cores = $n"), (3, 1), (6, message([(1, "n"), (5, 8)]))]
    )
    assert client.get(wrap(ticket)).read_all()["host"].to_pylist() == ["b"]


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


class Said(fl.ClientAuthHandler):  # type: ignore[misc]  # pyarrow has no types
    """A client that says something in its handshake, and keeps the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = b""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        outgoing.write(b"who is there?")
        self.heard = incoming.read()

    def get_token(self) -> bytes:
        return self.heard


@row("S165")
def test_a_handshake_with_a_password_gives_the_token(tmp_path: Path) -> None:
    with open_engine(tmp_path, without_auth=False) as engine, listening(engine) as url:
        token = engine.tokens.create_admin().token
        with FlightClient(url) as client:
            name, value = client.connection.authenticate_basic_token("anybody", token)
            assert (name.lower(), value) == (b"authorization", f"Bearer {token}".encode())
            with pytest.raises(fl.FlightUnauthenticatedError):
                client.connection.authenticate_basic_token("anybody", "wrong")
        with FlightClient(url, f"Bearer {token}") as client:
            assert client.rows("SELECT 1 AS one", database="_internal")["one"].to_pylist() == [1]


@row("S165")
def test_a_handshake_is_echoed_and_opens_nothing(tmp_path: Path) -> None:
    with open_engine(tmp_path, without_auth=False) as engine, listening(engine) as url:
        token = engine.tokens.create_admin().token
        with FlightClient(url, f"Bearer {token}") as client:
            said = Said()
            client.connection.authenticate(
                said, fl.FlightCallOptions(headers=[(b"authorization", b"Bearer " + token.encode())])
            )
            assert said.heard == b"who is there?"
            assert client.rows("SELECT 1 AS one", database="_internal")["one"].to_pylist() == [1]
        with FlightClient(url) as client, pytest.raises(fl.FlightUnauthenticatedError):
            client.connection.authenticate(Said())


@row("S166")
def test_metadata_of_columns(client: FlightClient) -> None:
    schema = client.ask("SELECT host, usage, time FROM cpu WHERE usage > 0").schema
    kinds = ["tag", "field::float", "timestamp"]
    assert [field.metadata for field in schema] == [
        {b"iox::column::type": f"iox::column_type::{k}".encode()} for k in kinds
    ]
