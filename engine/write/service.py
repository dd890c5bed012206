"""The write path: line protocol → accepted rows → schema reservation → the log."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from engine.catalog.catalog import Catalog
from engine.catalog.changes import CreateDatabase
from engine.catalog.state import INTERNAL_DATABASE
from engine.clock import Clock
from engine.errors import AlreadyExists, DatabaseNotFound, EngineError, InvalidRequest, Unavailable
from engine.host.protocol import Written
from engine.lineprotocol.body import parse_body
from engine.lineprotocol.groups import ParsedBody, RejectedLine
from engine.lineprotocol.lines import Line
from engine.model.names import check_database_name
from engine.model.precision import Precision
from engine.model.schema import TableSchema
from engine.storage.schemas import Schemas
from engine.wal.format import RowsPayload, RowsRecord
from engine.wal.ports import Entry, TableGone
from engine.wal.wal import Wal
from engine.write.ceilings import ANY_ROOM, Ceilings, room_of
from engine.write.parsing import BodyParser
from engine.write.reservation import MOST_RACES, live_database_id, reserve
from engine.write.validator import assemble, plan_write
from engine.write.written import gathered, parse_written


@dataclass(frozen=True, slots=True)
class WriteParams:
    """What the v1, v2 and v3 spellings of a write come to."""

    database: str
    precision: Precision = Precision.AUTO
    accept_partial: bool = True
    no_sync: bool = False


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a write: how many lines are in, and which are not."""

    accepted: int
    rejected: tuple[RejectedLine, ...]


class LinesRejected(InvalidRequest):
    """Nothing was written, because of these lines.

    Attributes:
        rejected: the lines, with their numbers and reasons.
    """

    def __init__(self, rejected: Sequence[RejectedLine]) -> None:
        super().__init__(f"line protocol parse failed: {rejected[0].message}")
        self.rejected = tuple(rejected)


class WriteService:
    """Writes line protocol; thread-safe, and waits for nothing itself."""

    def __init__(self, catalog: Catalog, schemas: Schemas, wal: Wal, clock: Clock, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self.room = room_of(ceilings, catalog, schemas)
        self._catalog = catalog
        self._schemas = schemas
        self._wal = wal
        self._clock = clock

    def write(
        self, params: WriteParams, body: bytes, *, chain: tuple[int, ...] = (), parse: BodyParser = parse_body
    ) -> Future[WriteOutcome]:
        """Write ``body``; the future resolves when the accepted rows are durable and can be queried (``no_sync``: at once).

        ``chain`` names the triggers that led to this write; ``parse`` says where the body is parsed.

        Raises:
            InvalidRequest: a bad name, an empty body, or lines that do not parse (all of them, or any of them
                without ``accept_partial``); the last as ``LinesRejected``.
            LimitExceeded: there are as many databases as there may be.
        """
        check_database_name(params.database)
        parsed = parse(body, params.precision, self._clock.now_ns())
        if parsed.line_count == 0:
            raise InvalidRequest("incoming write was empty")
        done: Future[WriteOutcome] = Future()
        self._submit(_Write(params, parsed, chain, done), races=0)
        return done

    def prepare(
        self, database: str, parts: Sequence[Written], *, chain: tuple[int, ...] = ()
    ) -> tuple[RowsPayload, ...]:
        """Return the rows of ``parts``, all or nothing, for a record that the caller puts into the log itself.

        Their columns are reserved. Times are nanoseconds.

        Raises:
            InvalidRequest: as ``write``.
        """
        parsed = parse_written(parts, self._clock.now_ns())
        if parsed.line_count == 0:
            raise InvalidRequest("incoming write was empty")
        return self._prepared(database, parsed, chain, are_lines=all(isinstance(part, str) for part in parts))

    def prepare_lines(self, database: str, lines: Sequence[Line]) -> tuple[RowsPayload, ...]:
        """Return the rows of ``lines``, all or nothing, as ``prepare`` does: for what the engine itself has to tell.

        The name is not checked: the engine's own tables are in ``_internal``.

        Raises:
            InvalidRequest: a line does not fit its table.
        """
        return self._prepared(database, gathered(lines, self._clock.now_ns()), (), are_lines=True)

    def _prepared(
        self, database: str, parsed: ParsedBody, chain: tuple[int, ...], *, are_lines: bool
    ) -> tuple[RowsPayload, ...]:
        database_id = self._database_id(database)
        room = ANY_ROOM if database == INTERNAL_DATABASE else self.room
        for _ in range(MOST_RACES):
            plan = plan_write(parsed, lambda name: self._schemas.find(database_id, name), room=room, tells_all=False)
            if plan.rejected and not are_lines:
                first = plan.rejected[0]
                raise InvalidRequest(f"{first.message}: {first.original_line}")
            if plan.rejected:
                raise LinesRejected(plan.rejected)
            payloads = reserve(self._schemas, database_id, plan, chain)
            if payloads is not None:
                return payloads
        raise Unavailable(f"tables of database '{database}' change too fast to write to them; try again")

    def rehearse(self, database: str, lines: str) -> list[tuple[TableSchema, pa.RecordBatch]]:
        """Return what ``lines`` would write, by table, and change nothing; the database need not exist.

        Raises:
            InvalidRequest: as ``write`` without ``accept_partial``.
        """
        check_database_name(database)
        parsed = parse_body(lines.encode(), Precision.NANOSECOND, self._clock.now_ns())
        if parsed.line_count == 0:
            raise InvalidRequest("incoming write was empty")
        found = self._catalog.state.database(database)
        plan = plan_write(
            parsed, lambda name: self._schemas.find(found.database_id, name) if found else None, room=self.room
        )
        if plan.rejected:
            raise LinesRejected(plan.rejected)
        written = []
        for table in plan.tables:
            schema = (table.base or TableSchema(0, 0, table.name, ())).with_columns(table.added)
            written.append((schema, assemble(table.groups, schema)))
        return written

    def _submit(self, write: "_Write", races: int) -> None:
        """Validate, reserve and append; again whenever a table changed meanwhile."""
        params = write.params
        database_id = self._database_id(params.database)
        while races < MOST_RACES:
            plan = plan_write(write.parsed, lambda name: self._schemas.find(database_id, name), room=self.room)
            if plan.rejected and (not params.accept_partial or not plan.tables):
                raise LinesRejected(plan.rejected)
            payloads = reserve(self._schemas, database_id, plan, write.chain)
            races += 1
            if payloads is None:
                continue
            outcome = WriteOutcome(sum(t.row_count for t in plan.tables), plan.rejected)
            entry = Entry([RowsRecord(p) for p in payloads], no_sync=params.no_sync)
            self._wal.append(entry).add_done_callback(partial(self._settled, write=write, outcome=outcome, races=races))
            return
        raise Unavailable(f"tables of database '{params.database}' change too fast to write to them; try again")

    def _settled(self, appended: "Future[tuple[int, ...]]", write: "_Write", outcome: WriteOutcome, races: int) -> None:
        error = appended.exception()
        if error is None:
            write.done.set_result(outcome)
        elif isinstance(error, TableGone):
            try:
                self._submit(write, races)
            except EngineError as refused:
                write.done.set_exception(refused)
        else:
            write.done.set_exception(error)

    def _database_id(self, name: str) -> int:
        """Return the id of a database, which is created if it is not there."""
        state = self._catalog.state
        if state.database(name) is None:
            try:
                state = self._catalog.apply(CreateDatabase(name, self._ceilings.databases))
            except AlreadyExists:
                state = self._catalog.state
        found = live_database_id(state, name)
        if found is None:
            raise DatabaseNotFound(f"database not found: {name}")
        return found


@dataclass(frozen=True, slots=True)
class _Write:
    params: WriteParams
    parsed: ParsedBody
    chain: tuple[int, ...]
    done: "Future[WriteOutcome]"
