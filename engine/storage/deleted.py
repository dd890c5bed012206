"""Which tables the catalog says are deleted, and what they are called since then."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.catalog.state import CatalogState
from engine.model.schema import TableSchema


@dataclass(frozen=True, slots=True)
class DeletedTables:
    """Deleted tables by id with their names, and the ids of deleted databases, whose tables keep their names."""

    names: Mapping[int, str] = field(default_factory=dict)
    databases: frozenset[int] = frozenset()

    def marked(self, schema: TableSchema) -> TableSchema:
        """Return ``schema`` as it is known now: with its name, and whether it is deleted."""
        name = self.names.get(schema.table_id)
        is_deleted = name is not None or schema.database_id in self.databases
        if is_deleted == schema.is_deleted and name in (None, schema.name):
            return schema
        return replace(schema, name=name or schema.name, is_deleted=is_deleted)


def deleted_tables(state: CatalogState) -> DeletedTables:
    """Return what ``state`` says is deleted."""
    names = {t.table_id: t.name for d in state.databases for t in d.tables if t.is_deleted}
    return DeletedTables(names, frozenset(d.database_id for d in state.databases if d.is_deleted))
