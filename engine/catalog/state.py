"""What the catalog holds, as frozen values: databases with their triggers and caches, tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from engine.model.caches import CacheDefinition, CacheKind, LastCache
from engine.model.trigger import TriggerDefinition

INTERNAL_DATABASE = "_internal"
OPERATOR_TOKEN = "_admin"


@dataclass(frozen=True, slots=True)
class TableEntry:
    """What is to be said of one table; tables of which nothing is to be said have no entry.

    Attributes:
        name: of a deleted table, with the time of its deletion.
        retention_s: its rows are kept for so many seconds, ``None`` = as long as those of the database.
        table_id: of a deleted table; 0 = whatever table has this name.
        deleted_ns: when it was deleted, in ns since the epoch, ``None`` = it was not.
        hard_delete_ns: when the data of a deleted table shall go, in ns since the epoch, ``None`` = never.
    """

    name: str
    retention_s: int | None = None
    table_id: int = 0
    deleted_ns: int | None = None
    hard_delete_ns: int | None = None

    @property
    def is_deleted(self) -> bool:
        """Return whether the table was deleted."""
        return self.deleted_ns is not None


@dataclass(frozen=True, slots=True)
class Database:
    """One database.

    Attributes:
        database_id: never used again.
        deleted_ns: when it was deleted, in ns since the epoch, ``None`` = it was not. A deleted database has a name with
            the time of its deletion, and no enabled trigger; it stays until log and files hold none of its data.
        triggers: by name.
        hard_delete_ns: when the data of a deleted database shall go, in ns since the epoch, ``None`` = never.
        caches: last-value caches, then distinct-value caches, by table and name; a deleted database has none.
        retention_s: rows are kept for so many seconds, ``None`` = for ever.
        tables: by name; only tables with a period of their own, and deleted ones.
    """

    database_id: int
    name: str
    deleted_ns: int | None = None
    triggers: tuple[TriggerDefinition, ...] = ()
    hard_delete_ns: int | None = None
    caches: tuple[CacheDefinition, ...] = ()
    retention_s: int | None = None
    tables: tuple[TableEntry, ...] = ()

    @property
    def is_deleted(self) -> bool:
        """Return whether the database was deleted."""
        return self.deleted_ns is not None

    @property
    def is_internal(self) -> bool:
        """Return whether this is the database in which the engine keeps what happened."""
        return self.name == INTERNAL_DATABASE

    def trigger(self, name: str) -> TriggerDefinition | None:
        """Return the trigger called ``name``, ``None`` where there is none."""
        return next((t for t in self.triggers if t.name == name), None)

    def table(self, name: str) -> TableEntry | None:
        """Return what is said of the table ``name``, a deleted one too, ``None`` if nothing is."""
        return next((t for t in self.tables if t.name == name), None)

    def retention_of(self, table: str) -> int | None:
        """Return for how many seconds rows of ``table`` are kept, ``None`` = for ever."""
        entry = self.table(table)
        return self.retention_s if entry is None or entry.retention_s is None else entry.retention_s

    def caches_of(self, table: str, kind: CacheKind) -> list[CacheDefinition]:
        """Return the caches of a kind that ``table`` feeds."""
        return [c for c in self.caches if c.table == table and isinstance(c, kind)]


@dataclass(frozen=True, slots=True)
class Token:
    """An admin token; of its text only the hash is kept.

    Attributes:
        token_id: never used again.
        hash: SHA-512 of the text, 128 hex digits in lower case.
        created_ns: in ns since the epoch, whole milliseconds.
        expires_ns: from when on it is not valid, in ns since the epoch, ``None`` = never.
        created_by: id of the token that asked for it, ``None`` = none did.
        updated_ns: when it got its present text, if that is not its first, in ns since the epoch, whole milliseconds.
        updated_by: id of the token that asked for that, ``None`` = none did.
    """

    token_id: int
    name: str
    hash: str
    created_ns: int
    expires_ns: int | None = None
    created_by: int | None = None
    updated_ns: int | None = None
    updated_by: int | None = None

    def is_valid_at(self, now_ns: int) -> bool:
        """Return whether the token has not expired."""
        return self.expires_ns is None or now_ns < self.expires_ns


@dataclass(frozen=True)
class CatalogState:
    """All definitions at one time; databases, their triggers and tokens each stand in the order of their names."""

    cluster_uuid: str
    databases: tuple[Database, ...] = ()
    tokens: tuple[Token, ...] = ()

    def database(self, name: str) -> Database | None:
        """Return the database called ``name``, a deleted one too, ``None`` where there is none."""
        return self._databases_by_name.get(name)

    def database_by_id(self, database_id: int) -> Database | None:
        """Return the database with this id, a deleted one too, ``None`` where there is none."""
        return self._databases_by_id.get(database_id)

    def trigger_by_id(self, trigger_id: int) -> tuple[Database, TriggerDefinition] | None:
        """Return the trigger with this id and its database, ``None`` where there is none."""
        return self._triggers_by_id.get(trigger_id)

    def token(self, name: str) -> Token | None:
        """Return the token called ``name``, ``None`` where there is none."""
        return next((t for t in self.tokens if t.name == name), None)

    @cached_property
    def known_ids(self) -> frozenset[int]:
        """Return the ids of all databases, triggers, caches and tokens."""
        caches = (c.cache_id for d in self.databases for c in d.caches)
        return frozenset([*self._databases_by_id, *self._triggers_by_id, *caches, *(t.token_id for t in self.tokens)])

    @cached_property
    def _databases_by_name(self) -> dict[str, Database]:
        return {d.name: d for d in self.databases}

    @cached_property
    def _databases_by_id(self) -> dict[int, Database]:
        return {d.database_id: d for d in self.databases}

    @cached_property
    def _triggers_by_id(self) -> dict[int, tuple[Database, TriggerDefinition]]:
        return {t.trigger_id: (d, t) for d in self.databases for t in d.triggers}


Named = TypeVar("Named", Database, TableEntry, TriggerDefinition, Token)


def by_name(entries: Iterable[Named]) -> tuple[Named, ...]:
    """Return ``entries`` in the order of their names."""
    return tuple(sorted(entries, key=lambda entry: entry.name))


def in_order(caches: Iterable[CacheDefinition]) -> tuple[CacheDefinition, ...]:
    """Return ``caches`` as a database holds them: last-value caches first, by table and name."""
    return tuple(sorted(caches, key=lambda c: (not isinstance(c, LastCache), c.table, c.name)))
