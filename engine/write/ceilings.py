"""Ceilings of databases, tables and columns, for operators who want some; there are none by default."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.catalog.catalog import Catalog
from engine.storage.schemas import Schemas

_SCHEMA = "Update to schema would exceed number of "


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How many there may be, ``None`` = any number.

    Attributes:
        databases: those that are not deleted, without the engine's own.
        tables: those of all these databases together.
        columns: tags and fields of one table.
    """

    databases: int | None = None
    tables: int | None = None
    columns: int | None = None


class Room:
    """What the ceilings leave at the moment; refusals are texts, ``None`` = not refused."""

    def __init__(self, ceilings: Ceilings, count_tables: Callable[[], int]) -> None:
        self._ceilings = ceilings
        self._count_tables = count_tables

    def refuses_table(self, made: int = 0) -> str | None:
        """Return why there cannot be one more table, ``made`` of which were made and are not counted yet."""
        most = self._ceilings.tables
        if most is None or (count := self._count_tables() + made) < most:
            return None
        return f"{_SCHEMA}tables limit: attempted to create table but already have {count} table(s) (limit: {most})"

    def refuses_columns(self, count: int) -> str | None:
        """Return why a table cannot have ``count`` tags and fields."""
        most = self._ceilings.columns
        return None if most is None or count <= most else f"{_SCHEMA}columns per table limit of {most} columns"


ANY_ROOM = Room(Ceilings(), int)


def room_of(ceilings: Ceilings, catalog: Catalog, schemas: Schemas) -> Room:
    """Return what ``ceilings`` leave beside the tables that are there."""

    def count() -> int:
        owners = (d for d in catalog.state.databases if not d.is_internal and not d.is_deleted)
        return sum(not s.is_deleted for owner in owners for s in schemas.tables_of(owner.database_id))

    return Room(ceilings, count)


def tells_ceiling(message: str) -> bool:
    """Return whether a line was refused with ``message`` because of a ceiling."""
    return message.startswith(_SCHEMA)
