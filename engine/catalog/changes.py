"""Changes of the catalog as values, and what each of them makes of a state."""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass, replace

from engine.catalog.state import INTERNAL_DATABASE, OPERATOR_TOKEN, CatalogState, Database, Token, by_name, in_order
from engine.catalog.tables import DeleteTable, ForgetTable, SetRetention, change_tables
from engine.catalog.times import time_in_range, time_stamp, whole_ms
from engine.errors import (
    AlreadyDeleted,
    AlreadyExists,
    ChangedMeanwhile,
    DatabaseNotFound,
    InternalDatabase,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    OperatorTokenNeeded,
    StillRunning,
)
from engine.model.caches import CacheDefinition, CacheKind
from engine.model.names import check_database_name
from engine.model.trigger import TriggerDefinition
from engine.model.trigger_options import check_options

_TOKEN_HASH = re.compile(r"[0-9a-f]{128}")

DrawId = Callable[[Container[int]], int]


@dataclass(frozen=True, slots=True)
class CreateDatabase:
    """Make a database, unless there are ``most`` already (``None``: there may be any number).

    ``retention_s``: see ``Database``.
    """

    name: str
    most: int | None = None
    retention_s: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteDatabase:
    """Mark a database deleted: it gets a name with the time, its triggers are disabled.

    For one that is deleted already: change ``hard_delete_ns``, when its data shall go (``None`` = never).
    """

    name: str
    hard_delete_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ForgetDatabase:
    """Take a deleted database out, now that log and files hold none of its data; an unknown id changes nothing."""

    database_id: int


@dataclass(frozen=True, slots=True)
class CreateTrigger:
    """Make a trigger; it gets an id of its own, whatever ``trigger`` says."""

    database: str
    trigger: TriggerDefinition


@dataclass(frozen=True, slots=True)
class ReplaceTrigger:
    """Make ``after`` of the trigger that is ``before``: name and id stay.

    One that was changed meanwhile is left alone.
    """

    database: str
    before: TriggerDefinition
    after: TriggerDefinition


@dataclass(frozen=True, slots=True)
class DeleteTrigger:
    """Take a trigger out, an enabled one only by ``force``."""

    database: str
    name: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class SetTriggerEnabled:
    """Enable or disable a trigger; nothing changes if it is so already.

    With ``trigger_id`` only the trigger that has this id is meant, not one made later under the same name.
    """

    database: str
    name: str
    enabled: bool
    trigger_id: int | None = None


@dataclass(frozen=True, slots=True)
class CreateCache:
    """Make a cache; it gets an id of its own, whatever ``cache`` says."""

    database: str
    cache: CacheDefinition


@dataclass(frozen=True, slots=True)
class DeleteCache:
    """Take a cache out."""

    database: str
    kind: CacheKind
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class CreateToken:
    """Make a token of which ``hash`` is the SHA-512 in hex; ``expires_ns`` ``None`` = it never expires.

    ``by`` is the id of the token that asks for it.
    """

    name: str
    hash: str
    expires_ns: int | None = None
    by: int | None = None


@dataclass(frozen=True, slots=True)
class ReplaceTokenHash:
    """Give a token a new text, valid for ever: the old one is not valid any more; ``by``: see ``CreateToken``."""

    name: str
    hash: str
    by: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteToken:
    """Take a token out."""

    name: str


Change = (
    CreateDatabase
    | DeleteDatabase
    | ForgetDatabase
    | SetRetention
    | DeleteTable
    | ForgetTable
    | CreateTrigger
    | ReplaceTrigger
    | DeleteTrigger
    | SetTriggerEnabled
    | CreateCache
    | DeleteCache
    | CreateToken
    | ReplaceTokenHash
    | DeleteToken
)


def apply_change(state: CatalogState, change: Change, *, now_ns: int, draw_id: DrawId) -> CatalogState:
    """Return ``state`` after ``change``; ``state`` itself where nothing changes.

    ``draw_id`` gives an id that is not in the container which it is passed.

    Raises:
        InvalidRequest: a name or value that is not allowed, or the database is ``_internal``.
        NotFound: what the change names does not exist.
        AlreadyExists: the name is taken; the database was deleted before; the trigger is enabled, or was changed.
        LimitExceeded: there are as many databases as there may be.
    """
    match change:
        case CreateDatabase():
            return _create_database(state, change, draw_id)
        case DeleteDatabase():
            return _delete_database(state, change, now_ns)
        case ForgetDatabase(database_id):
            return _forget_database(state, database_id)
        case SetRetention() | DeleteTable() | ForgetTable():
            return _change_tables(state, change, now_ns)
        case CreateTrigger(database, trigger):
            return _create_trigger(state, database, trigger, draw_id)
        case ReplaceTrigger():
            return _replace_trigger(state, change)
        case DeleteTrigger():
            return _delete_trigger(state, change)
        case SetTriggerEnabled():
            return _set_trigger_enabled(state, change)
        case CreateCache() | DeleteCache():
            return _change_caches(state, change, draw_id)
        case CreateToken() | ReplaceTokenHash() | DeleteToken():
            return _change_tokens(state, change, now_ns, draw_id)


def is_token_hash(text: str) -> bool:
    """Return whether ``text`` may be the hash of a token: SHA-512, hex digits in lower case."""
    return _TOKEN_HASH.fullmatch(text) is not None


def _create_database(state: CatalogState, change: CreateDatabase, draw_id: DrawId) -> CatalogState:
    check_database_name(change.name)
    if state.database(change.name):
        raise _taken()
    most = change.most
    if most is not None and sum(not d.is_internal and not d.is_deleted for d in state.databases) >= most:
        raise LimitExceeded(f"Adding a new database would exceed limit of {most} databases")
    made = Database(draw_id(state.known_ids), change.name, retention_s=change.retention_s)
    return replace(state, databases=by_name([*state.databases, made]))


def _delete_database(state: CatalogState, change: DeleteDatabase, now_ns: int) -> CatalogState:
    if change.name == INTERNAL_DATABASE:
        raise InternalDatabase("cannot delete internal db")
    database = state.database(change.name)
    if database is None:
        raise DatabaseNotFound(f"the requested resource was not found: {change.name}")
    hard_delete_ns = time_in_range(change.hard_delete_ns, "hard_delete_at")
    if database.is_deleted:
        if database.hard_delete_ns == hard_delete_ns:
            raise _deleted_before(change.name)
        return _with_database(state, replace(database, hard_delete_ns=hard_delete_ns))
    name = f"{database.name}-{time_stamp(now_ns)}"
    if state.database(name):
        name = f"{name}-{database.database_id}"
    disabled = tuple(t if not t.enabled else replace(t, enabled=False) for t in database.triggers)
    deleted = replace(
        database, name=name, deleted_ns=whole_ms(now_ns), triggers=disabled, hard_delete_ns=hard_delete_ns, caches=()
    )
    return _with_database(state, deleted)


def _forget_database(state: CatalogState, database_id: int) -> CatalogState:
    database = state.database_by_id(database_id)
    if database is None:
        return state
    if not database.is_deleted:
        raise InvalidRequest(f"database {database.name} is not deleted")
    return replace(state, databases=tuple(d for d in state.databases if d is not database))


def _change_tables(state: CatalogState, change: SetRetention | DeleteTable | ForgetTable, now_ns: int) -> CatalogState:
    if isinstance(change, ForgetTable):
        home = state.database_by_id(change.database_id)
        if home is None:
            return state
    elif isinstance(change, SetRetention):
        home = _changeable_database(state, change.database, "the requested resource was not found: {}")
    else:
        home = _changeable_database(state, change.database)
    changed = change_tables(home, change, now_ns)
    return state if changed == home else _with_database(state, changed)


def _create_trigger(state: CatalogState, database: str, trigger: TriggerDefinition, draw_id: DrawId) -> CatalogState:
    home = _changeable_database(state, database)
    if home.trigger(trigger.name):
        raise _taken()
    check_options(trigger)
    own = replace(trigger, trigger_id=draw_id(state.known_ids))
    return _with_database(state, replace(home, triggers=by_name([*home.triggers, own])))


def _replace_trigger(state: CatalogState, change: ReplaceTrigger) -> CatalogState:
    name = change.before.name
    home, trigger = _existing_trigger(state, change.database, name)
    if trigger != change.before:
        raise ChangedMeanwhile(f"trigger {name} was changed by somebody else meanwhile; look at it and try again")
    check_options(change.after)
    if change.after == trigger:
        return state
    after = replace(change.after, trigger_id=trigger.trigger_id, name=name)
    return _with_database(state, replace(home, triggers=tuple(after if t is trigger else t for t in home.triggers)))


def _delete_trigger(state: CatalogState, change: DeleteTrigger) -> CatalogState:
    home, trigger = _existing_trigger(state, change.database, change.name)
    if trigger.enabled and not change.force:
        raise StillRunning(f"Cannot delete running plugin {change.name}. Disable it first or use --force.")
    return _with_database(state, replace(home, triggers=tuple(t for t in home.triggers if t is not trigger)))


def _set_trigger_enabled(state: CatalogState, change: SetTriggerEnabled) -> CatalogState:
    home, trigger = _existing_trigger(state, change.database, change.name)
    if change.trigger_id not in (None, trigger.trigger_id):
        raise _not_found(change.name)
    if trigger.enabled == change.enabled:
        return state
    changed = replace(trigger, enabled=change.enabled)
    return _with_database(state, replace(home, triggers=tuple(changed if t is trigger else t for t in home.triggers)))


def _change_caches(state: CatalogState, change: CreateCache | DeleteCache, draw_id: DrawId) -> CatalogState:
    home = _changeable_database(state, change.database)
    match change:
        case CreateCache(_, cache):
            return _create_cache(state, home, cache, draw_id)
        case DeleteCache():
            return _delete_cache(state, home, change)


def _create_cache(state: CatalogState, home: Database, cache: CacheDefinition, draw_id: DrawId) -> CatalogState:
    if any(c.name == cache.name for c in home.caches_of(cache.table, type(cache))):
        raise _taken()
    own = replace(cache, cache_id=draw_id(state.known_ids))
    return _with_database(state, replace(home, caches=in_order([*home.caches, own])))


def _delete_cache(state: CatalogState, home: Database, change: DeleteCache) -> CatalogState:
    gone = [c for c in home.caches_of(change.table, change.kind) if c.name == change.name]
    if not gone:
        raise _not_found(change.name)
    return _with_database(state, replace(home, caches=tuple(c for c in home.caches if c not in gone)))


def _change_tokens(
    state: CatalogState, change: CreateToken | ReplaceTokenHash | DeleteToken, now_ns: int, draw_id: DrawId
) -> CatalogState:
    match change:
        case CreateToken():
            return _create_token(state, change, now_ns, draw_id)
        case ReplaceTokenHash():
            return _replace_token_hash(state, change, now_ns)
        case DeleteToken(name):
            return _delete_token(state, name)


def _create_token(state: CatalogState, change: CreateToken, now_ns: int, draw_id: DrawId) -> CatalogState:
    if state.token(change.name):
        raise AlreadyExists(f"token name already exists, {change.name}")
    expires_ns = time_in_range(change.expires_ns, "expiry")
    token_id, token_hash = draw_id(state.known_ids), _checked_hash(change.hash)
    token = Token(token_id, change.name, token_hash, whole_ms(now_ns), expires_ns, change.by)
    return replace(state, tokens=by_name([*state.tokens, token]))


def _replace_token_hash(state: CatalogState, change: ReplaceTokenHash, now_ns: int) -> CatalogState:
    name = change.name
    token = state.token(name)
    if token is None:
        raise NotFound("missing admin token, cannot update" if name == OPERATOR_TOKEN else _not_found_text(name))
    token_hash = _checked_hash(change.hash)
    changed = replace(token, hash=token_hash, expires_ns=None, updated_ns=whole_ms(now_ns), updated_by=change.by)
    return replace(state, tokens=tuple(changed if t is token else t for t in state.tokens))


def _delete_token(state: CatalogState, name: str) -> CatalogState:
    if name == OPERATOR_TOKEN:
        raise OperatorTokenNeeded("cannot delete operator token")
    token = state.token(name)
    if token is None:
        raise _not_found(name)
    return replace(state, tokens=tuple(t for t in state.tokens if t is not token))


def _changeable_database(state: CatalogState, name: str, missing: str = "Database not found {}") -> Database:
    """Return the database ``name``; ``missing`` tells that there is none."""
    database = state.database(name)
    if database is None:
        raise DatabaseNotFound(missing.format(name))
    if database.is_deleted:
        raise _deleted_before(name)
    if database.is_internal:
        raise InternalDatabase("cannot modify internal db")
    return database


def _existing_trigger(state: CatalogState, database: str, name: str) -> tuple[Database, TriggerDefinition]:
    home = _changeable_database(state, database)
    trigger = home.trigger(name)
    if trigger is None:
        raise _not_found(name)
    return home, trigger


def _with_database(state: CatalogState, changed: Database) -> CatalogState:
    others = (d for d in state.databases if d.database_id != changed.database_id)
    return replace(state, databases=by_name([*others, changed]))


def _checked_hash(token_hash: str) -> str:
    if not is_token_hash(token_hash):
        raise InvalidRequest("invalid configuration provided: the hash of a token is 128 hex digits in lower case")
    return token_hash


def _taken() -> AlreadyExists:
    return AlreadyExists("attempted to create a resource that already exists")


def _deleted_before(name: str) -> AlreadyDeleted:
    return AlreadyDeleted(f"attempted to modify resource that was already deleted: {name}")


def _not_found(name: str) -> NotFound:
    return NotFound(_not_found_text(name))


def _not_found_text(name: str) -> str:
    return f"the requested resource was not found: {name}"
