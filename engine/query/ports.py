"""What queries need of the rest of the engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from engine.model.queries import QueryPhase
from engine.storage.objects import AbsentFile


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """All rows of a table at one moment; no two rows in it have one key.

    Attributes:
        schema: the columns that queries see, in their order, with their metadata.
        folders: folders of Parquet files; a file may lack columns. What a folder holds never changes while the process
            lives, so another set of files needs another path: listings and statistics are kept by path.
        batches: further rows; a batch may lack columns and have its own order of them.
        release: to be called once when the rows are not read any more.
        partly: further such folders, with ranges of times (in ns, both ends included) whose rows are not to be read.
        absent: further files, which are fetched while they are read.
        file_times: the first and the last time in each file of ``folders``, ``partly`` and ``absent``, in ns.
        live: an object that stands for exactly these ``batches``: what is made of them may be kept as long as it lives.
        oldest_ns: of ``batches`` rows from before this time, in ns since the epoch, are not to be read; ``None`` = there
            are none.
    """

    schema: pa.Schema
    folders: tuple[Path, ...]
    batches: tuple[pa.RecordBatch, ...]
    release: Callable[[], None]
    live: object | None = None
    partly: tuple[tuple[Path, tuple[tuple[int, int], ...]], ...] = ()
    oldest_ns: int | None = None
    absent: tuple[AbsentFile, ...] = ()
    file_times: Callable[[], Sequence[tuple[int, int]]] = list


class QueryWatch(Protocol):
    """Is told how far one query is; from any thread, and at no cost worth mentioning."""

    def planned(self) -> None:
        """Note that the plan is made, and begins to run."""

    def ended(self, phase: QueryPhase) -> None:
        """Note how the query ended; only the first call counts."""


class TableSource(Protocol):
    """The tables of one database; may be called from any thread."""

    def table_names(self) -> Sequence[str]:
        """Return the names of the tables, in any order."""

    def table_schema(self, name: str) -> pa.Schema | None:
        """Return the columns that queries of the table ``name`` see; ``None`` if there is no such table."""

    def open(self, name: str) -> TableSnapshot | None:
        """Return the rows of the table ``name``; ``None`` if there is no such table."""


class CacheSource(Protocol):
    """The caches of one database; may be called from any thread."""

    def last(self, table: str, name: str | None) -> pa.Table:
        """Return what a last-value cache says; without ``name`` the only one of the table.

        Raises:
            QueryError: there is no such cache.
        """

    def distinct(self, table: str, name: str | None) -> pa.Table:
        """Return what a distinct-value cache says; without ``name`` the only one of the table.

        Raises:
            QueryError: there is no such cache.
        """


class SystemTables(Protocol):
    """The tables of the schema ``system`` that queries of one database see; may be called from any thread."""

    def names(self) -> Sequence[str]:
        """Return the names of the tables, in any order."""

    def schema(self, name: str) -> pa.Schema:
        """Return the columns of the table ``name``, which is one of ``names``."""

    def read(self, name: str) -> pa.Table:
        """Return the rows of the table ``name``, which is one of ``names``."""
