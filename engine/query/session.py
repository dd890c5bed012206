"""The one DataFusion session of a server: plans queries, keeps what it learnt about files, bounds the memory of all."""

import itertools
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
from datafusion import (
    DataFrame,
    Expr,
    RuntimeEnvBuilder,
    SessionConfig,
    SessionContext,
    SQLOptions,
    col,
    functions,
    literal,
    udtf,
)
from datafusion.catalog import Table

from engine.errors import InvalidRequest
from engine.model.schema import TIME_COLUMN
from engine.query.config import QueryConfig
from engine.query.failures import planning
from engine.query.functions.statement import planned
from engine.query.namespaces import CATALOG, TABLE_FUNCTIONS, USER_SCHEMA, CallTable, FindTable, Names, PlanningCatalog
from engine.query.ports import TableSnapshot
from engine.query.sql_text import decodes_late, quote_identifier
from engine.query.time_bounds import Blocks, TimeRange, batches_within, blocks_of

MOST_KEPT_FOLDERS = 256
"""So many folders of Parquet files keep their listing and statistics, those used last."""

MOST_FOOTERS = "16M"
"""So much memory the footers of Parquet files take that are remembered, those used last. By default it is 50 MB, which
snapshots fill in an hour, for each file comes with a new folder of links."""

LOOKS = 8
"""So many of the folders that were not used for longest are looked for when one is added: most are gone by then."""

LEAST_PRUNED_ROWS = 65_536
"""Fewer rows in memory are filtered in less time than it takes to leave some of them out."""

_OPTIONS = {
    # Our files have none, and to look for them takes some 0.05 ms of a query, more with several files.
    "datafusion.execution.parquet.bloom_filter_on_read": "false",
    # Each file whose footer is remembered keeps as many bytes alive; by default half a megabyte.
    "datafusion.execution.parquet.metadata_size_hint": "16384",
    "datafusion.execution.parquet.schema_force_view_types": "false",
    "datafusion.sql_parser.map_string_types_to_utf8view": "false",
}

_DECODING_LATE = "datafusion.execution.parquet.pushdown_filters"
"""With it, of rows that a filter leaves out, the other columns are not decoded. See ``decodes_late``."""

TimesWanted = Callable[[], TimeRange | None]
"""Tells which times a query wants, ``None`` = that is not known."""

_THREADS = "TOKIO_WORKER_THREADS"


class Session:
    """Plans queries; may be used from any thread.

    Attributes:
        memory_told: for a person, how much memory a query has.

    Raises:
        InvalidRequest: DataFusion does not take an option of ``config``.
    """

    def __init__(self, config: QueryConfig) -> None:
        _start_threads(config.threads)
        self.memory_told = config.memory_told
        self._own_bytes = config.memory_per_query_bytes
        runtime = RuntimeEnvBuilder().with_greedy_memory_pool(config.memory_bytes)
        self._read_only = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
        self._catalog = PlanningCatalog()
        # The second one decodes late, see ``decodes_late``.
        self._queries = tuple(self._query_context(config, runtime, is_late=is_late) for is_late in (False, True))
        # Tables get their names here, out of the reach of queries. How they are read is up to the context of a query.
        self._tables = SessionContext(_session_config(config, is_late=False).with_information_schema(True), runtime)
        for context in (*self._queries, self._tables):
            context.sql(f"SET datafusion.runtime.metadata_cache_limit = '{MOST_FOOTERS}'")
        self._naming = threading.Lock()
        self._own_memory = threading.Lock()
        self._folders: OrderedDict[Path, _Part] = OrderedDict()
        self._live: weakref.WeakKeyDictionary[object, tuple[str, _Part]] = weakref.WeakKeyDictionary()
        self._blocks: weakref.WeakKeyDictionary[object, tuple[Blocks, ...]] = weakref.WeakKeyDictionary()
        self._handed: dict[int, tuple[weakref.ref[pa.Table], _Part]] = {}
        self._type_texts: dict[pa.DataType, str] = {}
        self._has_read_rows = False

    def plan(
        self,
        sql: str,
        params: Mapping[str, pa.Scalar],
        find: FindTable,
        call: CallTable,
        *,
        has_own_memory: bool = False,
        leaves_gaps: bool = False,
    ) -> DataFrame:
        """Return the plan of ``sql``, which may only read; ``find`` gives the tables that it names, ``call`` those of functions.

        A plan that ``has_own_memory`` has as much as one query may hold for itself, besides what all others share. One that
        ``leaves_gaps`` is only good to be looked at.

        Raises:
            QueryError: it cannot be planned, or does more than read.
            QueryNotSupported: it asks for what is not implemented.
            QueryFailed: it names a column that is not there, or fails otherwise.
        """
        texts = {name: value.as_py() for name, value in params.items()}
        plan = self._plan_with_own_memory if has_own_memory else self._plan

        def plan_named(text: str) -> DataFrame:
            return _with_names(self._catalog, text, partial(plan, text, dict(params)), find, call)

        return planned(sql, texts, plan_named, leaves_gaps=leaves_gaps)

    def _query_context(self, config: QueryConfig, runtime: RuntimeEnvBuilder, *, is_late: bool) -> SessionContext:
        context = SessionContext(_session_config(config, is_late=is_late).with_information_schema(False), runtime)
        context.register_catalog_provider(CATALOG, self._catalog)  # type: ignore[arg-type]  # it has the methods
        for function in TABLE_FUNCTIONS:
            context.register_udtf(udtf(partial(self._catalog.call, function), function))
        return context

    def _plan(self, sql: str, values: dict[str, Any]) -> DataFrame:
        # Values are put into each expression of the plan, which takes as long as half the planning.
        wanted = values if "$" in sql or "?" in sql else {}
        return self._context_for(sql).sql_with_options(sql, self._read_only, wanted)

    def _plan_with_own_memory(self, sql: str, values: dict[str, Any]) -> DataFrame:
        # A plan keeps the memory that was set when it was made; what is known of files stays common to all.
        with self._own_memory:
            self._context_for(sql).sql(f"SET datafusion.runtime.memory_limit = '{(self._own_bytes or 0) // 1024}K'")
            return self._plan(sql, values)

    def _context_for(self, sql: str) -> SessionContext:
        return self._queries[decodes_late(sql, self._catalog.has_texts)]

    def table_of_snapshot(self, name: str, snapshot: TableSnapshot, within: TimesWanted = lambda: None) -> Table:
        """Return all rows of ``snapshot`` as a table; projections and filters reach files and batches.

        Rows with times outside of ``within()`` may be missing, which is asked if many rows are in memory.
        """
        with planning():
            parts: list[tuple[_Part, Sequence[Expr]]]
            parts = [(self._files(name, folder, snapshot.schema), ()) for folder in snapshot.folders]
            for folder, excluded in snapshot.partly:
                parts.append((self._files(name, folder, snapshot.schema), _outside(excluded)))
            if snapshot.absent:
                parts.append((self._absent(name, snapshot), ()))
            if snapshot.batches or not parts:
                oldest = () if snapshot.oldest_ns is None else (_is_from(snapshot.oldest_ns),)
                parts.append((self._live_rows_within(name, snapshot, within), oldest))
            return _joined(parts)

    def warm_folder(self, name: str, folder: Path, schema: pa.Schema) -> None:
        """Read what is kept of a folder: which files are in it, their statistics and footers.

        Of the first one a few rows are read, too: a thread that decodes for the first time waits some 7 ms until the kernel
        has cleared huge pages for it. Of several threads this serves those that happen to take part.
        """
        files = self._files(name, folder, schema).frame
        latest = literal(pa.scalar(2**63 - 1, pa.timestamp("ns")))
        files.filter(col(TIME_COLUMN) == latest).collect()
        if not self._has_read_rows:
            self._has_read_rows = True
            tags = [col(quote_identifier(tag.name)) for tag in schema if pa.types.is_dictionary(tag.type)]
            files.filter(*(tag != literal("") for tag in tags[:1]), col(TIME_COLUMN) != latest).limit(1).collect()

    def table_of_rows(self, name: str, rows: pa.Table) -> Table:
        """Return ``rows`` as a table; a query of a table without rows gets no batches.

        What is made of them is kept as long as ``rows`` is: a cache gives the same until it changes.
        """
        key = id(rows)
        with planning():
            known = self._handed.get(key)
            if known is None:
                forget = weakref.ref(rows, lambda _: self._handed.pop(key, None))
                known = self._handed[key] = forget, self._rows(name, rows.to_batches(), rows.schema)
            return known[1].table

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders of Parquet files that it remembers, the one used last at the end."""
        with self._naming:
            return tuple(self._folders)

    def native_view(self, view: str) -> Table:
        """Return a view of ``information_schema`` that tells of DataFusion itself."""
        with planning():
            return self._tables.table(f"information_schema.{view}").into_view()

    def type_text(self, type_: pa.DataType) -> str:
        """Return the name of an Arrow type as DataFusion writes it."""
        text = self._type_texts.get(type_)
        if text is None:
            column = pa.RecordBatch.from_arrays([pa.nulls(1, type_)], names=["value"])
            typed = self._tables.read_batch(column).select(functions.arrow_typeof(col("value")).alias("type"))
            text = self._type_texts[type_] = str(typed.to_arrow_table()["type"][0])
        return text

    def _files(self, name: str, folder: Path, schema: pa.Schema) -> "_Part":
        with self._naming:
            known = self._folders.get(folder)
            if known is None or not known.is_for(schema):
                identifier = quote_identifier(name)
                # A URL, for in a plain path `*`, `?` and `[` would be patterns.
                self._tables.register_parquet(identifier, f"{folder.absolute().as_uri()}/", schema=schema)
                known = self._folders[folder] = self._part(name, schema)
                self._forget_folders()
            self._folders.move_to_end(folder)
            return known

    def _forget_folders(self) -> None:
        """Let go of folders that are gone, as far as some looks tell, and of those that are too many."""
        for folder in list(itertools.islice(self._folders, LOOKS)):
            if not folder.exists():
                del self._folders[folder]
        if len(self._folders) > MOST_KEPT_FOLDERS:
            self._folders.popitem(last=False)

    def _live_rows_within(self, name: str, snapshot: TableSnapshot, within: TimesWanted) -> "_Part":
        if snapshot.live is None or sum(batch.num_rows for batch in snapshot.batches) < LEAST_PRUNED_ROWS:
            return self._live_rows(name, snapshot)
        wanted = within()
        if wanted is None:
            return self._live_rows(name, snapshot)
        blocks = self._blocks.get(snapshot.live)
        if blocks is None:
            blocks = self._blocks[snapshot.live] = tuple(blocks_of(batch) for batch in snapshot.batches)
        found = batches_within(snapshot.batches, blocks, wanted)
        if found is None:
            return self._live_rows(name, snapshot)
        return self._rows(name, [_aligned(batch, snapshot.schema) for batch in found], snapshot.schema)

    def _live_rows(self, name: str, snapshot: TableSnapshot) -> "_Part":
        known = self._live.get(snapshot.live) if snapshot.live is not None else None
        if known is not None and known[0] == name and known[1].is_for(snapshot.schema):
            return known[1]
        batches = [_aligned(batch, snapshot.schema) for batch in snapshot.batches]
        rows = self._rows(name, batches, snapshot.schema)
        if snapshot.live is not None:
            self._live[snapshot.live] = (name, rows)
        return rows

    def _absent(self, name: str, snapshot: TableSnapshot) -> "_Part":
        # Here: only a node whose files are in an object store needs it.
        from engine.query.absent import absent_files

        with self._naming:
            identifier = quote_identifier(name)
            self._tables.register_dataset(identifier, absent_files(snapshot.absent, snapshot.schema))
            return self._part(name, snapshot.schema)

    def _rows(self, name: str, batches: list[pa.RecordBatch], schema: pa.Schema) -> "_Part":
        with self._naming:
            identifier = quote_identifier(name)
            self._tables.create_dataframe([batches], identifier, schema)
            return self._part(name, schema)

    def _part(self, name: str, schema: pa.Schema) -> "_Part":
        """Return what was registered as ``name``, which is free again."""
        identifier = quote_identifier(name)
        part = _Part(
            schema, self._tables.table(identifier), self._tables.catalog(CATALOG).schema(USER_SCHEMA).table(name)
        )
        self._tables.deregister_table(identifier)
        return part


@dataclass(frozen=True, slots=True)
class _Part:
    """One source of a table's rows, made for ``schema``: as ``frame`` to go on from, and as the ``table`` that it is."""

    schema: pa.Schema
    frame: DataFrame
    table: Table

    def is_for(self, schema: pa.Schema) -> bool:
        return self.schema is schema or self.schema.equals(schema, check_metadata=True)


def _joined(parts: Sequence[tuple[_Part, Sequence[Expr]]]) -> Table:
    """Return the rows of ``parts`` for which their conditions hold; a view costs more than the table that one part is."""
    if len(parts) == 1 and not parts[0][1]:
        return parts[0][0].table
    frames = (part.frame.filter(*conditions) if conditions else part.frame for part, conditions in parts)
    return reduce(DataFrame.union, frames).into_view()


def _with_names(
    catalog: PlanningCatalog, sql: str, plan: Callable[[], DataFrame], find: FindTable, call: CallTable
) -> DataFrame:
    """Return what ``plan`` makes of ``sql`` once all names are known that it asks ``catalog`` for."""
    names = Names()
    names.guess(sql, find, call)
    while True:
        with planning():
            try:
                frame = catalog.planned(names, plan)
            except Exception:
                # Names that were not known yet are the reason, or the same error comes once more.
                if names.bad_call is None and not names.is_incomplete:
                    raise
                frame = None
        if names.bad_call is not None:
            raise names.bad_call
        if not names.learn(find, call) and frame is not None:
            return frame


def _session_config(config: QueryConfig, *, is_late: bool) -> SessionConfig:
    parts = {"datafusion.execution.target_partitions": str(config.threads or os.cpu_count() or 1)}
    late = {_DECODING_LATE: str(is_late).lower()}
    try:
        made = SessionConfig({**parts, **late, **_OPTIONS, **config.options})
    except Exception as error:
        raise InvalidRequest(f"--datafusion-config: DataFusion does not take this: {error}") from error
    return made.with_default_catalog_and_schema(CATALOG, USER_SCHEMA)


def _start_threads(number: int | None) -> None:
    """Let the threads of DataFusion be so many, if this process has none yet; ``None`` = one for each processor."""
    if number is None:
        return
    # They are made with the first statement, as many as this variable says; nobody else may come to read it.
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = str(number)
    try:
        SessionContext().sql("SELECT 1").collect()
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


def _is_from(oldest_ns: int) -> Expr:
    """Return the condition that a row is not older than ``oldest_ns``."""
    return col(TIME_COLUMN) >= literal(pa.scalar(oldest_ns, pa.timestamp("ns")))


def _aligned(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with exactly the columns of ``schema``; missing ones are null."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    present = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays = [
        present[field.name].cast(field.type) if field.name in present else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _outside(excluded: Sequence[tuple[int, int]]) -> list[Expr]:
    """Return conditions under which a row's time is in none of the ``excluded`` ranges."""
    time = col(TIME_COLUMN)
    nanoseconds = pa.timestamp("ns")
    return [
        (time < literal(pa.scalar(first, nanoseconds))) | (time > literal(pa.scalar(last, nanoseconds)))
        for first, last in excluded
    ]
