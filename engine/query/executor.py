"""Runs queries: resolves their names, streams their rows, lets go of what they read."""

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from engine.errors import EngineError, QueryCancelled, QueryError, QueryFailed
from engine.query.children import Children, ChildStream
from engine.query.config import QueryConfig
from engine.query.deep_stack import call_with_deep_stack
from engine.query.frames import Job, Recipe
from engine.query.functions.statement import fills_gaps
from engine.query.information_schema import NATIVE_VIEWS, VIEWS, InformationSchema, views_of_show
from engine.query.judge import holds_memory, is_tireless, mixes_sources
from engine.query.namespaces import INFORMATION_SCHEMA, LAST_CACHE, SYSTEM_SCHEMA, USER_SCHEMA, Call
from engine.query.parameters import ParameterValue, bind_parameters
from engine.query.ports import CacheSource, QueryWatch, SystemTables, TableSnapshot, TableSource
from engine.query.releases import Releases
from engine.query.sql_text import EASY_LENGTH, bind_table_names, check_work, show_target
from engine.query.stopping import Stop
from engine.query.streams import PlanStream
from engine.query.time_bounds import TimeRange, time_range
from engine.query.turns import Turns

if TYPE_CHECKING:
    from datafusion import DataFrame
    from datafusion.catalog import Table

    from engine.query.session import Session


class QueryResult:
    """The rows of a query, as they come; a context manager.

    What the query reads is held until the last batch was taken, or until ``close``.

    Attributes:
        schema: the columns of the rows.
    """

    def __init__(
        self,
        schema: pa.Schema,
        stream: PlanStream | ChildStream,
        release: Callable[[], object],
        watch: QueryWatch | None = None,
    ) -> None:
        self.schema = schema
        self._watch = watch
        self._stream: PlanStream | ChildStream | None = stream
        # Also a result that somebody forgot to close lets go of files.
        self._release = weakref.finalize(self, release)
        self._release.atexit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left of the rows.

        Raises:
            QueryFailed: the query fails while it runs.
        """
        try:
            while self._stream and (batch := self._stream.next()) is not None:
                if batch.num_rows:  # a part of a plan that finds nothing may say so by a batch without rows
                    yield batch
            if self._watch and self._stream:
                self._watch.ended("success")
        except EngineError as error:
            if self._watch and not isinstance(error, QueryCancelled):
                self._watch.ended("fail")
            raise
        finally:
            self.close()

    def close(self) -> None:
        """End the query and let go of what it reads; harmless if that was done before.

        While another thread waits for rows, only ``Stop`` ends it.
        """
        self._stream = None
        self._release()


class QueryExecutor:
    """Runs SQL over the tables of a database; may be used from any thread.

    Raises:
        InvalidRequest: DataFusion does not take an option of ``config``.
    """

    def __init__(self, config: QueryConfig) -> None:
        self._config = config
        self._permits, self._holding = Turns(config.most_at_once), Turns(config.most_holding)
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._children: Children | None = None
        if config.options:
            self._open_session()  # somebody is there now who can read what is wrong with them

    def warm_up(self) -> None:
        """Load what the first query would otherwise wait for (some 0.2 s)."""
        session = self._open_session()
        session.plan("SELECT 1", {}, lambda schema, name: None, _no_caches).collect()

    @property
    def is_used(self) -> bool:
        """Return whether there was a query yet."""
        return self._session is not None

    def warm_folder(self, name: str, folder: Path, schema: pa.Schema) -> None:
        """Learn what queries of a table need to know of a folder of its Parquet files, see ``TableSnapshot``."""
        self._open_session().warm_folder(name, folder, schema)

    def sql(
        self,
        tables: TableSource,
        system: SystemTables,
        sql: str,
        params: Mapping[str, ParameterValue],
        caches: CacheSource | None = None,
        watch: QueryWatch | None = None,
        stop: Stop | None = None,
    ) -> QueryResult:
        """Return the rows of ``sql``, which may only read; to be closed. Without ``caches`` there are none.

        ``watch`` is told how far it is, and, once there is a result, how it ended.
        Any thread may end the query by ``stop``, also while this call waits for the first rows.

        Raises:
            QueryError: it cannot be planned, does more than read, or misses the value of a parameter.
            QueryNotSupported: it asks for what is not implemented, or holds several statements.
            QueryFailed: it names a column that is not there, or fails otherwise.
            QueryTimedOut: it took too long; so may ``QueryResult.batches`` say.
            EngineError: the reason that ``stop`` was given; so may ``QueryResult.batches`` say.
        """
        check_work(sql)
        stop = stop or Stop()
        session = self._open_session()
        held = Releases()
        try:
            if self._config.timeout_s is not None:
                stop.start(self._config.timeout_s)
                held.add(stop.finish)
            held.add(self._permits.take(stop))
            reads = _Reads(self._config.most_files)
            query = _Lookup(session, tables, system, sql, held, reads)
            values = bind_parameters(params)
            call = partial(_cached, session, caches, reads) if caches else _no_caches

            def start() -> "tuple[pa.Schema, PlanStream | ChildStream]":
                frame = session.plan(sql, values, query.find, call)
                if watch:
                    watch.planned()
                shown = _shown(frame)
                is_endless = reads.are_portable and is_tireless(shown)
                if is_endless and fills_gaps(sql):
                    # What is written for gaps makes no more rows than are allowed; what else is asked counts.
                    is_endless = is_tireless(_shown(session.plan(sql, values, query.find, call, leaves_gaps=True)))
                if is_endless:
                    return self._in_child(Job(sql, values, reads.portable_tables(), reads.calls), stop, held)
                if not self._config.is_shared and holds_memory(shown):
                    held.add(self._holding.take(stop))
                    frame = session.plan(sql, values, query.find, call, has_own_memory=True)
                stream = PlanStream(frame, session.memory_told, stop, is_mixed=mixes_sources(shown))
                return stream.schema, stream

            schema, stream = call_with_deep_stack(start) if len(sql) > EASY_LENGTH else start()
            if watch:
                held.add(partial(watch.ended, "cancel"))  # unless it ends before that
            return QueryResult(schema, stream, held.close, watch)
        except BaseException:
            held.close()
            raise

    def bind_table_names(
        self, sql: str, params: Mapping[str, ParameterValue]
    ) -> tuple[str, Mapping[str, ParameterValue]]:
        """Return ``sql`` with ``$name`` replaced where a table name stands, and the values of the other parameters.

        Only plugins may write queries so (architecture §8.11).
        """
        return bind_table_names(sql, params), params

    def close(self) -> None:
        """End the processes of queries: at once those that wait, the others with their query."""
        if self._children is not None:
            self._children.close()

    def _in_child(self, job: Job, stop: Stop, held: Releases) -> "tuple[pa.Schema, ChildStream]":
        with self._lock:
            self._children = children = self._children or Children(self._config)
        stream = children.stream(stop)
        held.add(stream.close)
        return stream.begin(job), stream

    def _open_session(self) -> "Session":
        with self._lock:
            if self._session is None:
                # Importing DataFusion takes 80 MB and 0.25 s, which a start of the server shall not.
                from engine.query.session import Session

                self._session = Session(self._config)
            return self._session


class _Reads:
    """What a query reads, so that another process can make the same tables of it; of files at most ``most_files``."""

    def __init__(self, most_files: int | None) -> None:
        self._most_files = most_files
        self._files: dict[str, int] = {}
        self.tables: dict[tuple[str, str], Recipe] = {}
        self.calls: dict[Call, pa.Table] = {}

    @property
    def are_portable(self) -> bool:
        """Return whether another process can read it; files that are fetched while they are read are for this one only."""
        return not any(isinstance(recipe, TableSnapshot) and recipe.absent for recipe in self.tables.values())

    def portable_tables(self) -> dict[tuple[str, str], Recipe]:
        """Return what ``tables`` are made of without what only this process can call."""
        return {name: _portable(recipe) for name, recipe in self.tables.items()}

    def note(self, name: str, snapshot: TableSnapshot, times: Callable[[], TimeRange | None]) -> None:
        """Take note of a user's table, of which rows at ``times()`` are read (``None`` = it may be all).

        Raises:
            QueryFailed: with it there are too many files.
        """
        self.tables[USER_SCHEMA, name] = snapshot
        if self._most_files is None:
            return
        # A table is asked for again when the query is planned again.
        wanted = times() or TimeRange()
        self._files[name] = sum(
            first <= wanted.last_ns and last >= wanted.first_ns for first, last in snapshot.file_times()
        )
        count = sum(self._files.values())
        if count > self._most_files:
            raise QueryFailed(
                f"Query would scan {count} Parquet files, exceeding the file limit of {self._most_files} that "
                "--query-file-limit sets: compare time with texts in WHERE to read fewer"
            )


class _Lookup:
    """Finds the tables of one query; what it opens is let go of with ``held``."""

    def __init__(
        self,
        session: "Session",
        tables: TableSource,
        system: SystemTables,
        sql: str,
        held: Releases,
        reads: _Reads,
    ) -> None:
        self._reads = reads
        self._session = session
        self._tables = tables
        self._system = system
        self._shown = show_target(sql)
        self._sql = sql
        self._read_times: tuple[TimeRange | None] | None = None  # of most queries nobody asks for them
        self._held = held

    def find(self, schema: str, name: str) -> "Table | None":
        """Return the table ``name`` of ``schema``, ``None`` if there is none."""
        if schema == USER_SCHEMA:
            return self._user_table(name)
        if schema == SYSTEM_SCHEMA:
            return self._rows(schema, name, self._system.read(name)) if name in self._system.names() else None
        return self._view(name) if name in VIEWS else None

    def _user_table(self, name: str) -> "Table | None":
        snapshot = self._tables.open(name)
        if snapshot is None:
            return None
        self._held.add(snapshot.release)
        self._reads.note(name, snapshot, self._times)
        return self._session.table_of_snapshot(name, snapshot, self._times)

    def _times(self) -> TimeRange | None:
        if self._read_times is None:
            self._read_times = (time_range(self._sql),)
        return self._read_times[0]

    def _view(self, name: str) -> "Table | None":
        if self._shown is not None and name not in views_of_show(self._shown):
            return None
        if name in NATIVE_VIEWS:
            self._reads.tables[INFORMATION_SCHEMA, name] = name
            return self._session.native_view(name)
        about = InformationSchema(self._tables, self._system, self._session.type_text)
        return self._rows(INFORMATION_SCHEMA, name, about.read(name))

    def _rows(self, schema: str, name: str, rows: pa.Table) -> "Table":
        self._reads.tables[schema, name] = rows
        return self._session.table_of_rows(name, rows)


def _shown(frame: "DataFrame") -> str:
    return str(frame.logical_plan().display_indent())


def _portable(recipe: Recipe) -> Recipe:
    if isinstance(recipe, TableSnapshot):
        return replace(recipe, release=_nothing, live=None, file_times=list)
    return recipe


def _nothing() -> None:
    """Release nothing: the server does."""


def _cached(session: "Session", caches: CacheSource, reads: _Reads, call: Call) -> "Table":
    rows = caches.last if call.function == LAST_CACHE else caches.distinct
    reads.calls[call] = rows(call.table, call.cache)
    return session.table_of_rows(call.function, reads.calls[call])


def _no_caches(call: Call) -> "Table":
    raise QueryError(f"Error during planning: there are no caches here for {call.function}")
