"""Rows that were accepted, as payloads for the log: their columns are reserved."""

from engine.catalog.state import CatalogState
from engine.errors import DatabaseNameError
from engine.storage.schemas import SchemaMoved, Schemas
from engine.wal.format import RowsPayload
from engine.write.validator import TablePlan, WritePlan, encode

MOST_RACES = 100
"""How often a write is validated again because tables changed under it, before it gives up."""


def live_database_id(state: CatalogState, name: str) -> int | None:
    """Return the id of the database ``name``, ``None`` where there is no such database.

    Raises:
        DatabaseNameError: it was deleted, and is kept until its data has gone.
    """
    found = state.database(name)
    if found is None:
        return None
    if found.deleted_ns is not None:
        raise DatabaseNameError(f"cannot write to soft-deleted database '{name}' - it is marked for deletion")
    return found.database_id


def reserve(
    schemas: Schemas, database_id: int, plan: WritePlan, chain: tuple[int, ...]
) -> tuple[RowsPayload, ...] | None:
    """Reserve the columns of ``plan`` and encode its rows; ``None`` if somebody else was faster."""
    try:
        return tuple(_payload(schemas, database_id, table, chain) for table in plan.tables)
    except SchemaMoved:
        return None


def _payload(schemas: Schemas, database_id: int, table: TablePlan, chain: tuple[int, ...]) -> RowsPayload:
    schema = table.base
    if schema is None or table.added:
        schema = schemas.reserve(schema, database_id, table.name, table.added)
    encoding, data = encode(table, schema)
    return RowsPayload(schema.table_id, schema.version, table.row_count, encoding, chain, data)
