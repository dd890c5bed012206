"""A Flight client of a server."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

WAIT_S = 20.0


class FlightClient:
    """A client of the server at ``url``, with the header ``authorization`` if that is given."""

    def __init__(self, url: str, authorization: str | None = None, **options: Any) -> None:
        scheme, _, address = url.partition("://")
        self.connection = fl.connect(f"{'grpc+tls' if scheme == 'https' else 'grpc'}://{address}", **options)
        self._headers = [] if authorization is None else [(b"authorization", authorization.encode())]

    def __enter__(self) -> "FlightClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def get(self, ticket: bytes, wait_s: float = WAIT_S) -> fl.FlightStreamReader:
        """Return what ``DoGet`` gives for the bytes of a ticket; the client leaves after ``wait_s`` seconds."""
        options = fl.FlightCallOptions(timeout=wait_s, headers=self._headers)
        return self.connection.do_get(fl.Ticket(ticket), options)

    def ask(self, sql: str, database: str = "foo", wait_s: float = WAIT_S, **more: Any) -> fl.FlightStreamReader:
        """Return the stream of a query."""
        return self.get(json.dumps({"database": database, "sql_query": sql} | more).encode(), wait_s)

    def rows(self, sql: str, **more: Any) -> pa.Table:
        """Return all rows of a query."""
        return self.ask(sql, **more).read_all()
