"""A table's entry in the catalog's file: its values to what is said of it, what is said of it to values."""

from engine.catalog.state import Database, TableEntry
from engine.catalog.trigger_entry import DATABASES
from engine.model.retention import format_period, parse_period
from engine.model.toml_layout import TablePath, quote
from engine.model.toml_reader import Source, TableReader, time_text
from engine.model.trigger_keys import Fields

TABLES = "tables"
RETENTION = "retention_period"

_KEYS = ("id", RETENTION, "deleted", "hard_delete_at")


def table_path(database: Database, table: TableEntry) -> TablePath:
    """Return the header of ``table``."""
    return (DATABASES, database.name, TABLES, table.name)


def read_table(source: Source, database: Database, name: str, values: object) -> TableEntry:
    """Return what ``values`` say of a table.

    Raises:
        CatalogEditRefused: the text names file, line and reason.
    """
    what = f"table {name!r} of database {database.name!r}"
    reader = TableReader(source, (DATABASES, database.name, TABLES, name), what, values)
    if database.is_internal:
        raise reader.refusal("cannot modify internal db")
    reader.allow(_KEYS)
    entry = TableEntry(
        name, read_period(reader), reader.id_or_zero(), reader.time_ns("deleted"), reader.time_ns("hard_delete_at")
    )
    if entry.is_deleted != bool(entry.table_id):
        raise reader.refusal(f"{what}: a deleted table has the keys id and deleted, another one neither", "id")
    if entry.hard_delete_ns is not None and not entry.is_deleted:
        raise reader.refusal(f"{what} is not deleted", "hard_delete_at")
    return entry


def table_fields(table: TableEntry) -> Fields:
    """Return the values of ``table`` as the file has them, by key; ``None`` = the key is left out."""
    return {
        "id": str(table.table_id) if table.table_id else None,
        RETENTION: period_text(table.retention_s),
        "deleted": time_text(table.deleted_ns),
        "hard_delete_at": time_text(table.hard_delete_ns),
    }


def read_period(reader: TableReader) -> int | None:
    """Return the seconds of the retention period, ``None`` where there is none.

    Raises:
        CatalogEditRefused: it is no period.
    """
    if not reader.has(RETENTION):
        return None
    text = reader.text(RETENTION)
    try:
        return parse_period(text)
    except ValueError as error:
        reason = f"{RETENTION} {text!r} of {reader.what} is not a period such as 30d: {error}"
        raise reader.refusal(reason, RETENTION) from error


def period_text(seconds: int | None) -> str | None:
    """Return a retention period as the file has it."""
    return None if seconds is None else quote(format_period(seconds))
