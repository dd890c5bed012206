"""What a Flight client asks with a ticket: JSON that names a database and a query."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from engine.errors import InvalidRequest, QueryNotSupported

INVALID_TICKET = "Invalid ticket. Error: Invalid ticket"

QUERY_TYPES = ("sql", "influxql")

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a ticket."""

    database: str
    sql: str
    params: Mapping[str, Value]


class _Ticket(msgspec.Struct):
    sql_query: str
    database: str | None = None
    namespace_name: str | None = None
    bucket: str | None = None
    bucket_name: str | None = msgspec.field(default=None, name="bucket-name")
    query_type: str | None = None
    params: dict[str, Value] | None = None


_DECODER = msgspec.json.Decoder(_Ticket)


def parse_ticket(data: bytes) -> Asked:
    """Return the query that a ticket asks.

    Raises:
        InvalidRequest: it is not JSON with a query and a database, or names a type of query that does not exist.
        QueryNotSupported: it asks for InfluxQL.
    """
    try:
        ticket = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(INVALID_TICKET) from error
    named = (ticket.database, ticket.namespace_name, ticket.bucket, ticket.bucket_name)
    database = next((name for name in named if name is not None), None)
    if database is None:
        raise InvalidRequest(INVALID_TICKET)
    _check_type(ticket.query_type or "sql")
    return Asked(database, ticket.sql_query, ticket.params or {})


def _check_type(query_type: str) -> None:
    if query_type not in QUERY_TYPES:
        raise InvalidRequest(f"query_type '{query_type}' is not one of {', '.join(QUERY_TYPES)}")
    if query_type != "sql":
        raise QueryNotSupported("This feature is not implemented: InfluxQL; ask with query_type 'sql'")
