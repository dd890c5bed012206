"""Small writes: they gather while the disk is busy, and are parsed and stored together when the log is ready for them."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from engine.catalog.catalog import Catalog
from engine.clock import Clock
from engine.errors import DatabaseNotFound, EngineError, Unavailable
from engine.lineprotocol.body import parse_body
from engine.storage.schemas import Schemas
from engine.wal.format import RowsRecord
from engine.wal.ports import Entry, TableGone
from engine.wal.wal import Wal
from engine.write.reservation import MOST_RACES, live_database_id, reserve
from engine.write.service import WriteOutcome, WriteParams, WriteService
from engine.write.together import Rows, parse_rows, plan_together

logger = logging.getLogger(__name__)

MOST_TOGETHER_BYTES = 1 << 18
"""So much is parsed at a time: while that goes on the disk has nothing to do."""

Tell = Callable[[WriteOutcome | Exception], None]
"""Is told what became of a write, in a thread of the engine; must be quick."""

Positions = tuple[int, ...]


@dataclass(slots=True)
class _Small:
    """A small write that waits."""

    params: WriteParams
    body: str
    now_ns: int
    tell: Tell
    races: int = 0
    accepted: int = 0


class SmallWrites:
    """Takes small bodies; thread-safe, and waits for nothing itself.

    A write to an idle server is parsed and written at once, by the log's own thread. While that one is busy writes gather;
    those of one database then are one record for each of their tables. Bodies with lines that are refused go through
    ``WriteService`` one by one, which tells what is wrong with them.
    """

    def __init__(self, catalog: Catalog, schemas: Schemas, wal: Wal, clock: Clock, service: WriteService) -> None:
        self._catalog = catalog
        self._schemas = schemas
        self._wal = wal
        self._clock = clock
        self._service = service
        self._lock = threading.Lock()
        self._waiting: list[_Small] = []

    def add(self, params: WriteParams, body: bytes, tell: Tell) -> None:
        """Write ``body`` to a database that is there; ``tell`` gets what ``WriteService.write`` returns or raises.

        Raises:
            InvalidRequest: the body is not UTF-8.
            Unavailable: the log is closed.
        """
        now_ns = self._clock.now_ns()
        try:
            text = body.decode()
        except UnicodeDecodeError:
            parse_body(body, params.precision, now_ns)  # raises, and says where
            raise
        self._wait(_Small(params, text, now_ns, tell))

    def take(self) -> "Sequence[tuple[Entry, Future[Positions]]]":
        """See ``Source``."""
        taken = self._taken()
        try:
            entries = list(self._entries(taken))
        except Exception as exc:  # they must not wait for ever
            logger.exception("small writes could not be taken in count=%d", len(taken))
            _tell_all(taken, exc)
            return ()
        return entries

    def refuse(self, error: EngineError) -> None:
        """See ``Source``."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        _tell_all(waiting, error)

    def _wait(self, write: _Small) -> None:
        with self._lock:
            if not self._waiting:
                self._wal.append_from(self)
            self._waiting.append(write)

    def _taken(self) -> list[_Small]:
        """Return the writes that have waited longest; if there are more, they come with the next group."""
        with self._lock:
            size = 0
            for count, write in enumerate(self._waiting, start=1):
                size += len(write.body)
                if size > MOST_TOGETHER_BYTES and count < len(self._waiting):
                    self._wal.append_from(self)
                    taken, self._waiting = self._waiting[:count], self._waiting[count:]
                    return taken
            taken, self._waiting = self._waiting, []
            return taken

    def _entries(self, writes: Sequence[_Small]) -> "Iterator[tuple[Entry, Future[Positions]]]":
        alike: dict[tuple[str, bool], list[_Small]] = {}
        for write in writes:
            alike.setdefault((write.params.database, write.params.no_sync), []).append(write)
        for (database, no_sync), members in alike.items():
            try:
                entry = self._entry(database, no_sync, members)
            except EngineError as error:
                _tell_all(members, error)
                continue
            if entry is not None:
                yield entry

    def _entry(
        self, database: str, no_sync: bool, writes: Sequence[_Small]
    ) -> "tuple[Entry, Future[Positions]] | None":
        database_id = live_database_id(self._catalog.state, database)
        if database_id is None:
            raise DatabaseNotFound(f"database not found: {database}")
        parsed = [(write, parse_rows(write.body, write.params.precision, write.now_ns)) for write in writes]
        good: list[tuple[_Small, Rows]] = [(write, rows) for write, rows in parsed if rows is not None]
        for _ in range(MOST_RACES):
            together = plan_together(
                [rows for _, rows in good], lambda name: self._schemas.find(database_id, name), self._service.room
            )
            payloads = reserve(self._schemas, database_id, together.plan, ())
            if payloads is not None:
                break
        else:
            raise Unavailable(f"tables of database '{database}' change too fast to write to them; try again")
        taken = []
        for number in together.taken:
            write, rows = good[number]
            write.accepted = len(rows)
            taken.append(write)
        if len(taken) < len(writes):
            known = set(map(id, taken))
            for write in writes:
                if id(write) not in known:
                    self._write_alone(write)
        if not taken:
            return None
        appended: Future[Positions] = Future()
        appended.set_running_or_notify_cancel()
        appended.add_done_callback(partial(self._settled, writes=taken))
        return Entry([RowsRecord(p) for p in payloads], no_sync=no_sync), appended

    def _write_alone(self, write: _Small) -> None:
        try:
            done = self._service.write(write.params, write.body.encode())
        except EngineError as error:
            _tell_all((write,), error)
            return
        done.add_done_callback(lambda done: _tell(write, _result(done)))

    def _settled(self, appended: "Future[Positions]", writes: Sequence[_Small]) -> None:
        error = appended.exception()
        for write in writes:
            if isinstance(error, TableGone) and write.races < MOST_RACES:
                write.races += 1
                self._again(write)
            elif isinstance(error, Exception):
                _tell(write, error)
            else:
                _tell(write, WriteOutcome(write.accepted, ()))

    def _again(self, write: _Small) -> None:
        try:
            self._wait(write)
        except EngineError as refused:
            _tell(write, refused)


def _tell_all(writes: Sequence[_Small], result: Exception) -> None:
    for write in writes:
        _tell(write, result)


def _tell(write: _Small, result: WriteOutcome | Exception) -> None:
    try:
        write.tell(result)
    except Exception:  # the others want to know, too
        logger.exception("nobody could be told of a write")


def _result(done: "Future[WriteOutcome]") -> WriteOutcome | Exception:
    error = done.exception()
    return error if isinstance(error, Exception) else done.result()
