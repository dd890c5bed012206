"""Finds dead letters that are still open, and reads what they hold."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from engine.catalog.state import INTERNAL_DATABASE
from engine.columns.payload import Encoding
from engine.columns.rows import table_rows
from engine.host.protocol import PayloadRef, TableBatch
from engine.model.schema import TableSchema
from engine.triggers.dead_letters import DELETED, RETRIED
from engine.triggers.records import DEAD_LETTERS
from engine.triggers.services import Params, PluginQueries

_OPEN = f"attempts IS NOT NULL AND coalesce(state, '') NOT IN ('{RETRIED}', '{DELETED}')"


@dataclass(frozen=True, slots=True)
class LetterHead:
    """A dead letter without its input; ``letter_id`` is the time of its row, ``pieces`` counts the rows of its input."""

    letter_id: int
    trigger_name: str
    kind: str
    pieces: int


@dataclass(frozen=True, slots=True)
class LetterContent:
    """What a dead letter holds; ``given`` is its input, see ``dead_letters``."""

    attempts: int
    due_ns: int | None
    given: dict[str, Any]


class LetterStore:
    """Reads the engine's own table of dead letters; ``has_letters`` tells whether there is one."""

    def __init__(self, queries: PluginQueries, has_letters: Callable[[], bool]) -> None:
        self._queries = queries
        self._has_letters = has_letters

    def open_ones(self, database: str, trigger_name: str | None) -> list[LetterHead]:
        """Return the open letters of a database, or of one of its triggers, the oldest first."""
        which = "database_name = $db AND ($name IS NULL OR trigger_name = $name)"
        rows = self._rows(
            f"SELECT time, trigger_name, kind, pieces FROM {DEAD_LETTERS} WHERE {which} AND {_OPEN} ORDER BY time",
            {"db": database, "name": trigger_name},
        )
        return [LetterHead(r["time"], r["trigger_name"], r["kind"], r["pieces"] or 1) for r in rows]

    def read(self, head: LetterHead) -> LetterContent | None:
        """Return what a letter holds, ``None`` if it is not open any more."""
        times: Params = {"low": head.letter_id, "high": head.letter_id + head.pieces}
        span = "time >= to_timestamp_nanos($low) AND time < to_timestamp_nanos($high)"
        rows = self._rows(f"SELECT * FROM {DEAD_LETTERS} WHERE {span} ORDER BY time", times)
        if not rows or rows[0].get("state") in (RETRIED, DELETED):
            return None
        given = json.loads("".join(row["input"] for row in rows))
        return LetterContent(rows[0]["attempts"], rows[0].get("due"), given)

    def _rows(self, sql: str, params: Params) -> list[dict[str, Any]]:
        if not self._has_letters():
            return []
        stream = self._queries.plugin_query(INTERNAL_DATABASE, sql, params)
        with pa.ipc.open_stream(stream) as reader:
            return table_rows(reader.read_all())


def batch_of(given: dict[str, Any], present: TableSchema | None, folder: Path) -> TableBatch:
    """Return the rows of a letter as a batch, with types and columns as they were, stored in ``folder`` for a host to map.

    Columns that the table has got since, in its ``present`` schema, are there and empty.
    """
    columns: list[tuple[str, str]] = list(given["columns"].items())
    columns += [(c.name, c.type.short) for c in (present.columns if present else ()) if c.name not in given["columns"]]
    rows: Sequence[dict[str, Any]] = given["rows"]
    data = msgspec.msgpack.encode([[row.get(name) for row in rows] for name, _ in columns])
    path = folder / "rows"
    path.write_bytes(data)
    ref = PayloadRef(str(path), 0, len(data), int(Encoding.COMPACT), len(columns), len(rows))
    return TableBatch(given["table"], columns, [ref])
