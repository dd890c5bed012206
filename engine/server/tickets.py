"""What a Flight client asks with a ticket: JSON, or a message of Protocol Buffers, that names a database and a query."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from engine.errors import InvalidRequest, QueryNotSupported
from engine.server import read_info
from engine.server.read_info import Value

INVALID_TICKET = "Invalid ticket. Error: Invalid ticket"

QUERY_TYPES = ("sql", "influxql")


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

_INSIDE = "- at `$."
"""With this a reason names a place in an object; a message may begin as a number or a text of JSON does."""


def parse_ticket(data: bytes) -> Asked:
    """Return the query that a ticket asks.

    Raises:
        InvalidRequest: it is no ticket with a query and a database, or names a type of query that does not exist.
        QueryNotSupported: it asks for InfluxQL or FlightSQL.
    """
    try:
        return _asked_by_json(_DECODER.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error)
        if _INSIDE in reason:
            raise InvalidRequest(f"{INVALID_TICKET}: {reason[:1].lower()}{reason[1:]}") from error
        return _asked_by_message(data)  # which is no JSON, and JSON is no message


def _asked_by_json(ticket: _Ticket) -> Asked:
    named = (ticket.database, ticket.namespace_name, ticket.bucket, ticket.bucket_name)
    database = next((name for name in named if name is not None), None)
    if database is None:
        raise InvalidRequest(INVALID_TICKET)
    query_type = ticket.query_type or "sql"
    if query_type not in QUERY_TYPES:
        raise InvalidRequest(f"query_type '{query_type}' is not one of {', '.join(QUERY_TYPES)}")
    _check_type(query_type)
    return Asked(database, ticket.sql_query, ticket.params or {})


def _asked_by_message(data: bytes) -> Asked:
    try:
        ticket = read_info.decode(data)
    except ValueError as error:
        raise InvalidRequest(INVALID_TICKET) from error
    if not ticket.database:
        raise InvalidRequest(INVALID_TICKET)
    _check_type(ticket.query_type)
    return Asked(ticket.database, ticket.query, ticket.params)


def _check_type(query_type: str) -> None:
    if query_type == "influxql":
        raise QueryNotSupported("This feature is not implemented: InfluxQL; ask with query_type 'sql'")
    if query_type == "flightsql":
        raise QueryNotSupported("This feature is not implemented: FlightSQL; ask with a ticket that holds SQL")
