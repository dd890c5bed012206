"""Changes of the catalog's file by hand: which of them hold, what they leave to the engine, and the thread that notices them."""

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from engine.catalog.cache_entry import cache_path
from engine.catalog.changes import DrawId
from engine.catalog.codec import CatalogFile
from engine.catalog.revision import database_path
from engine.catalog.state import INTERNAL_DATABASE, CatalogState, Database, by_name
from engine.catalog.table_entry import table_path
from engine.catalog.times import whole_ms
from engine.catalog.trigger_entry import trigger_path
from engine.errors import CatalogEditRefused
from engine.model.caches import CacheDefinition
from engine.model.trigger import TriggerDefinition

logger = logging.getLogger(__name__)

_QUIET_MS = 50  # an editor writes in several steps; the file is read when it was left alone for so long
_MOST_DELAY_MS = 400
_LOOK_ANYWAY_MS = 10_000


class EditChecks(Protocol):
    """What only other parts of the engine can say about an edit; called without a lock, from any thread."""

    def plugin_problem(self, trigger: TriggerDefinition) -> str | None:
        """Return why the plugin of ``trigger``, which is new or changed, cannot be used, ``None`` if it can."""

    def cache_problem(self, database: Database, cache: CacheDefinition) -> str | None:
        """Return why ``cache``, which is new or changed, cannot be in ``database``, ``None`` if it can."""

    def databases_with_data(self) -> frozenset[int]:
        """Return the ids of the databases of which log or files hold data."""


class NoChecks:
    """Knows of no data and trusts in every plugin."""

    def plugin_problem(self, trigger: TriggerDefinition) -> str | None:
        """See ``EditChecks``."""
        return None

    def cache_problem(self, database: Database, cache: CacheDefinition) -> str | None:
        """See ``EditChecks``."""
        return None

    def databases_with_data(self) -> frozenset[int]:
        """See ``EditChecks``."""
        return frozenset()


def check_start(file: CatalogFile, checks: EditChecks) -> None:
    """Accept what the file says when the engine starts; only triggers that are new are checked for their plugin.

    A plugin that vanished must not stop the database, and the file does not tell what was edited while nothing ran.

    Raises:
        CatalogEditRefused: the text names file, line and reason.
    """
    check_data(file.source.name, file.state, checks, None)
    for database, trigger in _triggers(file.state):
        if not trigger.trigger_id:
            _check_plugin(file, database, trigger, checks)
    for database in file.state.databases:
        _check_caches(file, database, checks, known=[c for c in database.caches if c.cache_id])


def check_edit(file: CatalogFile, old: CatalogState, checks: EditChecks) -> None:
    """Accept the edit that makes ``old`` what the file says.

    Raises:
        CatalogEditRefused: the text names file, line and reason.
    """
    new = file.state
    if new.cluster_uuid != old.cluster_uuid:
        raise file.source.refusal(f"cluster_uuid cannot be changed; it was {old.cluster_uuid!r}", (), "cluster_uuid")
    if old.tokens and not new.tokens:
        raise CatalogEditRefused(f"{file.source.name}: all tokens are gone; delete them by command")
    check_data(file.source.name, new, checks, old)
    _check_internal(file, old)
    for database in new.databases:
        _check_deleted(file, database, old.database_by_id(database.database_id))
        _check_deleted_tables(file, database, old.database_by_id(database.database_id))
    for database, trigger in _triggers(new):
        if _needs_plugin(trigger, old):
            _check_plugin(file, database, trigger, checks)
    for database in new.databases:
        before = old.database_by_id(database.database_id)
        _check_caches(file, database, checks, known=before.caches if before else ())


def check_data(name: str, new: CatalogState, checks: EditChecks, old: CatalogState | None) -> None:
    """Refuse a state that lacks a database of which data exists; ``name`` is what messages call the file.

    Raises:
        CatalogEditRefused: the text names the file and the database.
    """
    for database_id in sorted(checks.databases_with_data()):
        if new.database_by_id(database_id) is None:
            known = old.database_by_id(database_id) if old else None
            what = f"database {known.name!r} (id {database_id})" if known else f"the database with id {database_id}"
            raise CatalogEditRefused(
                f"{name}: {what} is missing, and data of it exists; put it back (databases are deleted by command)"
            )


def complete(state: CatalogState, *, now_ns: int, draw_id: DrawId) -> CatalogState:
    """Return ``state`` with what a file may leave out: ids, times of creation, ``cluster_uuid``, the database ``_internal``."""
    known = set(state.known_ids)

    def own_id(present: int) -> int:
        drawn = present or draw_id(known)
        known.add(drawn)
        return drawn

    def completed(database: Database) -> Database:
        triggers = tuple(t if t.trigger_id else replace(t, trigger_id=own_id(0)) for t in database.triggers)
        caches = tuple(c if c.cache_id else replace(c, cache_id=own_id(0)) for c in database.caches)
        return replace(database, database_id=own_id(database.database_id), triggers=triggers, caches=caches)

    databases = list(state.databases)
    if state.database(INTERNAL_DATABASE) is None:
        databases.append(Database(0, INTERNAL_DATABASE))
    tokens = tuple(
        replace(t, token_id=own_id(t.token_id), created_ns=t.created_ns or whole_ms(now_ns)) for t in state.tokens
    )
    whole = CatalogState(state.cluster_uuid or str(uuid.uuid4()), by_name(map(completed, databases)), tokens)
    return state if whole == state else whole


class EditWatcher:
    """A thread that calls ``poll`` when the file was changed, some tenths of a second later.

    It calls it every ``look_anyway_ms`` milliseconds too, for not every file system tells of changes.
    """

    def __init__(self, poll: Callable[[], object], file: Path, *, look_anyway_ms: int = _LOOK_ANYWAY_MS) -> None:
        self._poll = poll
        self._file = file
        self._look_anyway_ms = look_anyway_ms
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalog-edits", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; return when it has ended."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        self._look()
        try:
            for _ in self._changes():
                self._look()
        except (OSError, RuntimeError) as error:
            # The system's limit of watches, mostly.
            logger.warning("catalog edits are noticed late, the file cannot be watched file=%s: %s", self._file, error)
            while not self._stopping.wait(self._look_anyway_ms / 1_000):
                self._look()

    def _changes(self) -> Iterable[object]:
        import watchfiles  # start-up time: 40 ms that nobody waits for here

        return watchfiles.watch(
            self._file.parent,
            watch_filter=lambda _, path: Path(path).name == self._file.name,
            debounce=_MOST_DELAY_MS,
            step=_QUIET_MS,
            rust_timeout=self._look_anyway_ms,
            yield_on_timeout=True,
            stop_event=self._stopping,
            recursive=False,
            raise_interrupt=False,
        )

    def _look(self) -> None:
        try:
            self._poll()
        except Exception:
            logger.exception("cannot read or keep an edit of the catalog file=%s", self._file)


def _triggers(state: CatalogState) -> Iterator[tuple[Database, TriggerDefinition]]:
    return ((database, trigger) for database in state.databases for trigger in database.triggers)


def _needs_plugin(trigger: TriggerDefinition, old: CatalogState) -> bool:
    """Return whether the edit is one that a missing plugin forbids: disabling is always allowed."""
    known = old.trigger_by_id(trigger.trigger_id)
    if known is None or known[1].plugin_filename != trigger.plugin_filename:
        return True
    return trigger.enabled and known[1] != trigger


def _check_plugin(file: CatalogFile, database: Database, trigger: TriggerDefinition, checks: EditChecks) -> None:
    problem = checks.plugin_problem(trigger)
    if problem:
        reason = f"plugin {trigger.plugin_filename!r} of trigger {trigger.name!r}: {problem}"
        raise file.source.refusal(reason, trigger_path(database, trigger), "plugin")


def _check_caches(
    file: CatalogFile, database: Database, checks: EditChecks, known: Collection[CacheDefinition]
) -> None:
    for cache in database.caches:
        problem = "its database is deleted" if database.is_deleted else None
        if problem is None and cache not in known:
            problem = checks.cache_problem(database, cache)
        if problem:
            reason = f"cache {cache.name!r} of table {cache.table!r}: {problem}"
            raise file.source.refusal(reason, cache_path(database, cache))


def _check_internal(file: CatalogFile, old: CatalogState) -> None:
    before, after = old.database(INTERNAL_DATABASE), file.state.database(INTERNAL_DATABASE)
    if after is None:
        raise CatalogEditRefused(
            f"{file.source.name}: cannot delete internal db; put [databases.{INTERNAL_DATABASE}] back"
        )
    if before != after:
        raise file.source.refusal("cannot modify internal db", database_path(after))


def _check_deleted(file: CatalogFile, database: Database, before: Database | None) -> None:
    if database.deleted_ns != (before.deleted_ns if before else None):
        reason = f"database {database.name!r}: deleted is set by command only (`influxdb3 delete database NAME`)"
        raise file.source.refusal(reason, database_path(database), "deleted")


def _check_deleted_tables(file: CatalogFile, database: Database, before: Database | None) -> None:
    """Refuse that a deletion of a table is made, moved or undone by hand: which rows are meant only the mark knows."""
    old = {t.table_id: (t.name, t.deleted_ns) for t in before.tables if t.is_deleted} if before else {}
    new = {t.table_id for t in database.tables if t.is_deleted}
    for table in database.tables:
        if table.is_deleted and (table.name, table.deleted_ns) != old.get(table.table_id):
            reason = f"table {table.name!r}: deleted is set by command only (`influxdb3 delete table NAME`)"
            raise file.source.refusal(reason, table_path(database, table), "deleted")
    for table_id in old.keys() - new:
        reason = f"the deleted table {old[table_id][0]!r} (id {table_id}) is missing; put it back, it goes by itself"
        raise file.source.refusal(reason, database_path(database))
