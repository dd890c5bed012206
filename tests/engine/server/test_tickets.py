import json
from typing import Any

import pytest

from engine.errors import InvalidRequest, QueryNotSupported
from engine.server.tickets import INVALID_TICKET, Asked, parse_ticket
from tests.support.protobuf import message

SQL = {"sql_query": "SELECT 1"}


@pytest.mark.parametrize("name", ["database", "namespace_name", "bucket", "bucket-name"])
def test_a_database_has_four_names(name: str) -> None:
    assert parse_ticket(json.dumps({name: "foo", **SQL}).encode()) == Asked("foo", "SELECT 1", {})


@pytest.mark.parametrize(
    ("members", "params"),
    [
        pytest.param({"query_type": "sql"}, {}, id="type-may-be-said"),
        pytest.param({"query_type": None, "params": None}, {}, id="null-is-nothing"),
        pytest.param({"params": {"a": 1, "b": 1.5, "c": "x", "d": True, "e": None}}, None, id="scalars"),
        pytest.param({"is_debug": True, "more": []}, {}, id="others-are-passed-over"),
    ],
)
def test_members(members: dict[str, Any], params: dict[str, Any] | None) -> None:
    expected = members["params"] if params is None else params
    assert parse_ticket(json.dumps({"database": "foo", **SQL, **members}).encode()).params == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"xyz", id="no-json"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b'\xff{"database":"foo"}', id="no-text"),
        pytest.param(b'{"database":"foo"}', id="no-query"),
        pytest.param(b'{"sql_query":"SELECT 1"}', id="no-database"),
        pytest.param(b'{"database":"foo","sql_query":"SELECT $a","params":{"a":[1]}}', id="a-list-as-parameter"),
        pytest.param(message([(2, "SELECT 1")]), id="a-message-without-database"),
        pytest.param(message([(1, "foo"), (2, "SELECT 1")])[:-1], id="a-message-that-is-cut-off"),
    ],
)
def test_what_is_no_ticket(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=INVALID_TICKET):
        parse_ticket(data)


def test_what_is_wrong_with_json_is_told() -> None:
    with pytest.raises(InvalidRequest, match=r"Invalid ticket: expected `.*`, got `array` - at `\$\.params"):
        parse_ticket(b'{"database":"foo","sql_query":"SELECT $a","params":{"a":[1]}}')


def test_influxql_is_refused_in_plain_words() -> None:
    with pytest.raises(QueryNotSupported, match="not implemented: InfluxQL"):
        parse_ticket(b'{"database":"foo","sql_query":"SHOW MEASUREMENTS","query_type":"influxql"}')


def test_an_unknown_type_is_quoted() -> None:
    with pytest.raises(InvalidRequest, match="'graphql' is not one of sql, influxql"):
        parse_ticket(b'{"database":"foo","sql_query":"x","query_type":"graphql"}')


def test_a_message_is_a_ticket_too() -> None:
    params = message([(1, "a"), (4, 7)])
    assert parse_ticket(message([(1, "foo"), (2, "SELECT $a"), (6, params)])) == Asked("foo", "SELECT $a", {"a": 7})


@pytest.mark.parametrize(("kind", "name"), [(2, "InfluxQL"), (3, "FlightSQL")])
def test_what_messages_ask_besides_is_refused_in_plain_words(kind: int, name: str) -> None:
    with pytest.raises(QueryNotSupported, match=f"not implemented: {name}"):
        parse_ticket(message([(1, "foo"), (3, kind)]))
