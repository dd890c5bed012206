"""Changes of what the catalog says of retention and of tables, and what each of them makes of a database."""

from dataclasses import dataclass, replace

from engine.catalog.state import Database, TableEntry, by_name
from engine.catalog.times import time_in_range, time_stamp, whole_ms
from engine.errors import AlreadyDeleted


@dataclass(frozen=True, slots=True)
class SetRetention:
    """Keep rows for ``retention_s`` seconds: of a database, or of one of its tables.

    ``None`` = for ever, for a table: as long as its database says.
    """

    database: str
    retention_s: int | None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteTable:
    """Mark the table ``table_id`` deleted: it gets a name with the time that is not among ``taken``, its caches go.

    For one that is deleted already: change ``hard_delete_ns``, when its data shall go (``None`` = never).
    """

    database: str
    table: str
    table_id: int
    hard_delete_ns: int | None = None
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ForgetTable:
    """Take out what is said of a deleted table, now that log and files hold none of its data; an unknown id changes nothing."""

    database_id: int
    table_id: int


def change_tables(home: Database, change: SetRetention | DeleteTable | ForgetTable, now_ns: int) -> Database:
    """Return ``home`` after ``change``.

    Raises:
        AlreadyDeleted: the table was deleted before.
        InvalidRequest: the time of its hard deletion is out of range.
    """
    match change:
        case SetRetention(_, retention_s, table):
            return (
                replace(home, retention_s=retention_s) if table is None else _with_own_period(home, table, retention_s)
            )
        case DeleteTable():
            return _with_table_deleted(home, change, now_ns)
        case ForgetTable(_, table_id):
            return replace(home, tables=tuple(t for t in home.tables if t.table_id != table_id))


def _with_own_period(home: Database, table: str, retention_s: int | None) -> Database:
    known = home.table(table)
    if known is not None and known.is_deleted:
        raise _deleted_before(table)
    others = [t for t in home.tables if t is not known]
    own = [] if retention_s is None else [TableEntry(table, retention_s)]
    return replace(home, tables=by_name([*others, *own]))


def _with_table_deleted(home: Database, change: DeleteTable, now_ns: int) -> Database:
    hard_delete_ns = time_in_range(change.hard_delete_ns, "hard_delete_at")
    deleted = next((t for t in home.tables if t.table_id == change.table_id), None)
    if deleted is not None:
        if deleted.hard_delete_ns == hard_delete_ns:
            raise _deleted_before(change.table)
        entry = replace(deleted, hard_delete_ns=hard_delete_ns)
        return replace(home, tables=tuple(entry if t is deleted else t for t in home.tables))
    known = home.table(change.table)
    name = f"{change.table}-{time_stamp(now_ns)}"
    if name in change.taken or home.table(name) is not None:
        name = f"{name}-{change.table_id}"
    retention_s = known.retention_s if known else None
    entry = TableEntry(name, retention_s, change.table_id, whole_ms(now_ns), hard_delete_ns)
    tables = by_name([*(t for t in home.tables if t is not known), entry])
    return replace(home, tables=tables, caches=tuple(c for c in home.caches if c.table != change.table))


def _deleted_before(name: str) -> AlreadyDeleted:
    return AlreadyDeleted(f"attempted to modify resource that was already deleted: {name}")
