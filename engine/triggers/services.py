"""What one run may ask of the database, in the words that plugins know from InfluxDB 3."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from engine.catalog.state import INTERNAL_DATABASE
from engine.errors import EngineError, InvalidRequest
from engine.host.protocol import NamespaceSync, Response
from engine.model.names import check_query_database_name
from engine.model.precision import Precision
from engine.plugins.failures import query_failure, write_failure
from engine.storage.consumers import Consumers
from engine.triggers.journal import Journal
from engine.triggers.records import Origin
from engine.triggers.work import Subject, Work
from engine.write.service import WriteParams, WriteService

Params = dict[str, str | int | float | bool | None]


class PluginQueries(Protocol):
    """Runs SQL on behalf of plugins."""

    def plugin_query(self, database: str, sql: str, params: Params) -> bytes:
        """Return the rows as an Arrow IPC stream; see ``RunServices.query``."""


class TriggerServices:
    """The services of one run of a trigger (port ``RunServices``)."""

    def __init__(
        self, subject: Subject, work: Work, origin: Origin, kit: "ServiceKit", now_ns: Callable[[], int]
    ) -> None:
        self._subject = subject
        self._work = work
        self._origin = origin
        self._kit = kit
        self._now_ns = now_ns

    def log(self, level: str, text: str) -> None:
        """See ``RunServices``."""
        self._kit.journal.log(self._origin, level, text, text if level == "ERROR" else "")

    def entered(self) -> None:
        """See ``RunServices``."""
        self._work.entered_ns = self._now_ns()

    def query(self, database: str | None, sql: str, params: Params) -> bytes:
        """See ``RunServices``; the texts are those of processing-engine §4.4."""
        name = self._subject.database if database is None else database
        check_query_database_name(name)
        try:
            return self._kit.queries.plugin_query(name, sql, params)
        except EngineError as cause:
            raise query_failure(cause, name, sql) from cause

    def write_now(self, database: str | None, lines: str, *, no_sync: bool) -> None:
        """See ``RunServices``; the texts are those of processing-engine §4.3."""
        name = self._subject.database if database is None else database
        try:
            check_writable(name)
            params = WriteParams(name, Precision.NANOSECOND, accept_partial=False, no_sync=no_sync)
            self._kit.writes.write(params, lines.encode(), chain=chain_of(self._subject, self._work)).result()
        except EngineError as cause:
            raise InvalidRequest(f"error writing line protocol to {name}: {write_failure(cause)}") from cause

    def namespace(self, namespace: str, since: int) -> NamespaceSync | None:
        """See ``RunServices``."""
        return self._kit.consumers.namespace(namespace, since)

    def part(self, head: Response | None, data: bytes) -> "Future[bool]":
        """See ``RunServices``."""
        if self._work.reply is None:
            raise EngineError("only requests are answered")
        return self._work.reply.part(head, data)


class ServiceKit:
    """The parts of the engine that services of runs are made of."""

    def __init__(self, journal: Journal, queries: PluginQueries, writes: WriteService, consumers: Consumers) -> None:
        self.journal = journal
        self.queries = queries
        self.writes = writes
        self.consumers = consumers


def chain_of(subject: Subject, work: Work) -> tuple[int, ...]:
    """Return the triggers that led to what this run writes, each once."""
    return tuple(sorted({*work.chain, subject.definition.trigger_id}))


def check_writable(database: str) -> None:
    """Refuse the engine's own database.

    Raises:
        InvalidRequest: with the product's text.
    """
    if database == INTERNAL_DATABASE:
        raise InvalidRequest("Python plugins cannot write to the _internal database")
