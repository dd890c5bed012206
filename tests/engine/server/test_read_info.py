import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.server.read_info import TYPE_URL, ReadInfo, decode
from tests.support.protobuf import message

DATABASE, QUERY, QUERY_TYPE, COMMAND, IS_DEBUG, PARAM = range(1, 7)
WHOLE = st.integers(-(2**63), 2**64 - 1)
VALUES = st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False) | st.text(max_size=20)
TICKETS = st.builds(
    ReadInfo,
    st.text(max_size=20),
    st.text(max_size=50),
    st.sampled_from(["sql", "influxql", "flightsql"]),
    st.dictionaries(st.text(max_size=10), VALUES, max_size=4),
)
TYPES = {"sql": 1, "influxql": 2, "flightsql": 3}


def param(name: str, value: object) -> bytes:
    match value:
        case None:
            return message([(1, name), (2, 0)])
        case bool():
            return message([(1, name), (3, int(value))])
        case int() if value >= 0:
            return message([(1, name), (4, value)])
        case int():
            return message([(1, name), (5, value)])
        case float():
            return message([(1, name), (6, value)])
        case _:
            return message([(1, name), (7, str(value))])


def encode(ticket: ReadInfo) -> bytes:
    return message(
        [
            (DATABASE, ticket.database),
            (QUERY, ticket.query),
            (QUERY_TYPE, TYPES[ticket.query_type]),
            *((PARAM, param(name, value)) for name, value in ticket.params.items()),
        ]
    )


@given(TICKETS)
def test_a_ticket_is_read_as_it_was_written(ticket: ReadInfo) -> None:
    assert decode(encode(ticket)) == ticket


@given(TICKETS)
def test_a_ticket_may_stand_in_an_any(ticket: ReadInfo) -> None:
    assert decode(message([(1, TYPE_URL), (2, encode(ticket))])) == ticket


@given(st.binary(max_size=60))
def test_other_bytes_are_a_ticket_or_refused(data: bytes) -> None:
    try:
        assert isinstance(decode(data), ReadInfo)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([], ReadInfo(), id="nothing"),
        pytest.param([(QUERY_TYPE, 0)], ReadInfo(), id="no-type-is-sql"),
        pytest.param([(DATABASE, "a"), (IS_DEBUG, 1), (COMMAND, b"x"), (99, "y")], ReadInfo("a"), id="more"),
        pytest.param([(DATABASE, "a"), (DATABASE, "b")], ReadInfo("b"), id="the-last-counts"),
        pytest.param([(PARAM, b"")], ReadInfo(params={"": None}), id="a-parameter-without-anything"),
        pytest.param([(PARAM, message([(1, "a"), (5, -1)]))], ReadInfo(params={"a": -1}), id="negative"),
    ],
)
def test_tickets(fields: list[tuple[int, int | bytes | str]], expected: ReadInfo) -> None:
    assert decode(message(fields)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([(DATABASE, 1)], id="a-number-as-database"),
        pytest.param([(DATABASE, b"\xff")], id="no-text"),
        pytest.param([(QUERY_TYPE, 4)], id="another-type"),
        pytest.param([(QUERY_TYPE, "sql")], id="text-as-type"),
        pytest.param([(PARAM, message([(1, "a"), (6, b"abc")]))], id="no-double"),
        pytest.param([(DATABASE, TYPE_URL), (QUERY, 1)], id="an-any-without-content"),
    ],
)
def test_what_is_no_ticket(fields: list[tuple[int, int | bytes | str]]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(message(fields))
