"""The text of the catalog's file in which a new state stands, with all lines that it does not concern as they were."""

from collections.abc import Mapping

from engine.catalog.cache_entry import cache_fields, cache_path
from engine.catalog.state import CatalogState, Database, Token
from engine.catalog.table_entry import RETENTION, TABLES, period_text, table_fields
from engine.catalog.trigger_entry import DATABASES, TRIGGERS, entry_fields
from engine.model.toml_layout import Document, TablePath, quote
from engine.model.toml_reader import time_text
from engine.model.trigger_keys import Fields

TOKENS = "tokens"


def revise(document: Document, old: CatalogState, new: CatalogState) -> Document:
    """Return ``document``, which says ``old``, changed so that it says ``new``: only lines of what differs are touched."""
    if old.cluster_uuid != new.cluster_uuid:
        document = document.put((), "cluster_uuid", quote(new.cluster_uuid))
    if old.databases is not new.databases:
        document = _revise_databases(document, old, new)
    if old.tokens is not new.tokens:
        document = _revise_tokens(document, old, new)
    return document


def database_path(database: Database) -> TablePath:
    """Return the header of ``database``."""
    return (DATABASES, database.name)


def token_path(token: Token) -> TablePath:
    """Return the header of ``token``."""
    return (TOKENS, token.name)


def _revise_databases(document: Document, old: CatalogState, new: CatalogState) -> Document:
    pairs = [(_counterpart(database, old), database) for database in new.databases]
    kept = {before.name for before, _ in pairs if before}
    for database in old.databases:
        if database.name not in kept:
            document = document.remove(database_path(database))
    for before, after in pairs:
        if before is not after:
            document = _revise_database(document, before, after)
    return document


def _counterpart(database: Database, old: CatalogState) -> Database | None:
    """Return what ``database`` was in ``old``: the one with its id, or that of its name if that has no id yet."""
    same_id = old.database_by_id(database.database_id)
    if same_id:
        return same_id
    same_name = old.database(database.name)
    return same_name if same_name and not same_name.database_id else None


def _revise_database(document: Document, before: Database | None, after: Database) -> Document:
    path = database_path(after)
    if before is None:
        index = document.end_of((DATABASES,)) or _index_of_tokens(document)
        document = document.insert(index, path, _lines(_database_fields(after)))
        before = Database(after.database_id, after.name)
    else:
        if before.name != after.name:
            document = document.rename(database_path(before), after.name)
        if not document.has(path) and _database_fields(before) != _database_fields(after):
            document = document.insert_above(path, [])
        document = _put_fields(document, path, _database_fields(before), _database_fields(after))
    for below, old, new in (
        (TABLES, {t.name: table_fields(t) for t in before.tables}, {t.name: table_fields(t) for t in after.tables}),
        (
            TRIGGERS,
            {t.name: entry_fields(t) for t in before.triggers},
            {t.name: entry_fields(t) for t in after.triggers},
        ),
    ):
        document = _revise_entries(document, (*path, below), old, new)
    return _revise_caches(document, before, after)


def _revise_entries(
    document: Document, path: TablePath, old: Mapping[str, Fields], new: Mapping[str, Fields]
) -> Document:
    """Revise the entries of one kind, by name, below the database to which ``path`` leads."""
    for name in old.keys() - new.keys():
        document = document.remove((*path, name))
    for name, fields in new.items():
        before = old.get(name)
        if before is None:
            document = document.insert(document.end_of(path[:2]) or 0, (*path, name), _lines(fields))
        elif before != fields:
            document = _put_fields(document, (*path, name), before, fields)
    return document


def _revise_caches(document: Document, before: Database, after: Database) -> Document:
    old_caches = {cache_path(after, c): c for c in before.caches}
    for gone in old_caches.keys() - {cache_path(after, c) for c in after.caches}:
        document = document.remove(gone)
    for cache in after.caches:
        path = cache_path(after, cache)
        old = old_caches.get(path)
        if old is None:
            document = document.insert(document.end_of((DATABASES, after.name)) or 0, path, _lines(cache_fields(cache)))
        elif old is not cache:
            document = _put_fields(document, path, cache_fields(old), cache_fields(cache))
    return document


def _revise_tokens(document: Document, old: CatalogState, new: CatalogState) -> Document:
    old_tokens = {t.name: t for t in old.tokens}
    for name in old_tokens.keys() - {t.name for t in new.tokens}:
        document = document.remove((TOKENS, name))
    for token in new.tokens:
        before = old_tokens.get(token.name)
        if before is None:
            index = document.end_of((TOKENS,)) or len(document.blocks)
            document = document.insert(index, token_path(token), _lines(_token_fields(token)))
        elif before is not token:
            document = _put_fields(document, token_path(token), _token_fields(before), _token_fields(token))
    return document


def _index_of_tokens(document: Document) -> int:
    """Return where the first token stands: tokens stay last, so that of a file cut short the engine takes nothing."""
    return next((i for i, block in enumerate(document.blocks) if block.path[:1] == (TOKENS,)), len(document.blocks))


def _put_fields(document: Document, path: TablePath, before: Fields, after: Fields) -> Document:
    for key, value in after.items():
        if before[key] == value:
            continue
        document = document.put(path, key, value, first=key == "id") if value is not None else document.drop(path, key)
    return document


def _lines(fields: Fields) -> list[str]:
    return [f"{key} = {value}" for key, value in fields.items() if value is not None]


def _database_fields(database: Database) -> Fields:
    return {
        "id": str(database.database_id),
        RETENTION: period_text(database.retention_s),
        "deleted": time_text(database.deleted_ns),
        "hard_delete_at": time_text(database.hard_delete_ns),
    }


def _token_fields(token: Token) -> Fields:
    return {
        "id": str(token.token_id),
        "hash": quote(token.hash),
        "created": time_text(token.created_ns),
        "expires": time_text(token.expires_ns),
        "created_by": _id_text(token.created_by),
        "updated": time_text(token.updated_ns),
        "updated_by": _id_text(token.updated_by),
    }


def _id_text(token_id: int | None) -> str | None:
    return None if token_id is None else str(token_id)
