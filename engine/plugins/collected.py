"""What a dry run says and would have done: log lines, immediate writes, the parts of an answer."""

from concurrent.futures import Future
from typing import Protocol

import msgspec

from engine.errors import EngineError
from engine.host.protocol import Done, NamespaceSync, Response
from engine.model.names import check_query_database_name
from engine.plugins.failures import query_failure

MOST_ANSWER_BYTES = 16 << 20
"""After so much the dry run of a request takes no more parts of its answer, which may have no end."""

Params = dict[str, str | int | float | bool | None]


class DryRunQueries(Protocol):
    """Runs SQL on behalf of plugins."""

    def plugin_query(self, database: str, sql: str, params: Params) -> bytes:
        """Return the rows as an Arrow IPC stream."""


class Collected:
    """The services of a dry run: queries are real, everything else is kept (port ``RunServices``).

    Attributes:
        log_lines: as ``LEVEL: text``.
        written_now: immediate writes, (database, line protocol).
    """

    def __init__(self, database: str, queries: DryRunQueries) -> None:
        self.log_lines: list[str] = []
        self.written_now: list[tuple[str, str]] = []
        self._database = database
        self._queries = queries
        self._answer = bytearray()

    def completed(self, done: Done) -> Done:
        """Return the end of the run with all of its answer."""
        if done.response is None or not self._answer:
            return done
        response = done.response
        whole = Response(response.status, response.headers, bytes(self._answer) + response.body)
        return msgspec.structs.replace(done, response=whole)

    def log(self, level: str, text: str) -> None:
        """See ``RunServices``."""
        self.log_lines.append(f"{level}: {text}")

    def entered(self) -> None:
        """Nothing is measured from here."""

    def query(self, database: str | None, sql: str, params: Params) -> bytes:
        """See ``RunServices``."""
        name = self._database if database is None else database
        check_query_database_name(name)
        try:
            return self._queries.plugin_query(name, sql, params)
        except EngineError as cause:
            raise query_failure(cause, name, sql) from cause

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        """See ``RunServices``."""
        self.written_now.append((database or self._database, lines))

    def namespace(self, namespace: str, since: int) -> NamespaceSync | None:
        """Nothing is committed, so there is nothing to know."""
        return None

    def part(self, head: Response | None, data: bytes) -> "Future[bool]":
        """See ``RunServices``."""
        if head is not None:
            self._answer.clear()  # a run that is repeated answers anew
        self._answer += data
        is_enough = len(self._answer) >= MOST_ANSWER_BYTES
        if is_enough:
            self.log("WARN", f"the answer is cut: a dry run takes {MOST_ANSWER_BYTES} bytes of an answer in parts")
        taken: Future[bool] = Future()
        taken.set_result(not is_enough)
        return taken
