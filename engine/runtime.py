"""The engine: builds all its parts, wires them, and offers what a server or a program may ask of it."""

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa

from engine import configuration
from engine.auth.admin import Tokens
from engine.caches.caches import Caches
from engine.caches.definitions import CacheDefinitions
from engine.catalog.catalog import Catalog
from engine.catalog.edits import EditWatcher
from engine.catalog.state import INTERNAL_DATABASE, CatalogState, Database
from engine.clock import Clock, SystemClock
from engine.disk import Disk, RealDisk, make_durable_folder
from engine.errors import DatabaseNotFound, EngineOff
from engine.host.protocol import RequestData
from engine.lineprotocol.body import parse_body
from engine.model.backfill import BackfillRequest, BackfillStatus, StartPoint
from engine.model.progress import Lag
from engine.model.schema import TableSchema
from engine.model.trigger import TriggerDefinition
from engine.paths import NodePaths
from engine.plugins.dry_run import DryRunPorts, DryRunRequest, DryRuns
from engine.plugins.environment import PluginEnvironment
from engine.plugins.environments import OwnEnvironments
from engine.plugins.executors.host import HostExecutor
from engine.plugins.places import NO_PLUGIN_DIR
from engine.plugins.ports import Executor
from engine.plugins.registry import PluginRegistry
from engine.plugins.secrets import SecretExecutor, Secrets
from engine.plugins.updates import PluginUpdates, find_trigger
from engine.query.cached import CachedRows
from engine.query.executor import QueryExecutor, QueryResult
from engine.query.log import QueryLog
from engine.query.stopping import Stop
from engine.query.stored import StoredTables, Warming
from engine.settings import Settings
from engine.storage.backup import Backups, BackupSide, refuse_unfinished
from engine.storage.deleted import deleted_tables
from engine.storage.history import Histories
from engine.storage.keeping import keep_in
from engine.storage.maintenance import Maintenance, TriggerSide
from engine.storage.manifest import FileEntry
from engine.storage.objects import Objects
from engine.storage.recent import rows_since
from engine.storage.retention import oldest_kept
from engine.storage.settling import Settling
from engine.storage.space import DiskSpace
from engine.storage.store import Store
from engine.storage.transfers import Transfers
from engine.system_tables.registry import DatabaseSystemTables
from engine.system_tables.sources import EngineSources, NodeSide
from engine.triggers.answers import TriggerAnswers
from engine.triggers.backfills import BackfillSide
from engine.triggers.cache_state import CacheStates
from engine.triggers.definitions import Edit, PluginSide, TriggerDefinitions
from engine.triggers.edit_checks import RunningChecks
from engine.triggers.ends import RetryResult
from engine.triggers.figures import Figures, RunFigures
from engine.triggers.journal import Journal, Stamps
from engine.triggers.lag import Backlogs, LogTimes
from engine.triggers.letter_box import LetterBox
from engine.triggers.letter_store import LetterStore
from engine.triggers.manager import LogSide, TriggerManager
from engine.triggers.records import DEAD_LETTERS
from engine.triggers.replies import Answered
from engine.triggers.services import ServiceKit
from engine.triggers.timers import Aside, TimerLoop, Timers
from engine.triggers.toolbox import Toolbox
from engine.triggers.wakeups import WakeUps
from engine.wal.replay import LogReplay, LogTail
from engine.wal.wal import Wal, WalPorts, WalStart
from engine.write.admission import Admission, AdmissionPorts
from engine.write.deletions import HardDeletions
from engine.write.gathering import SmallWrites
from engine.write.parsing import BodyParser
from engine.write.service import WriteOutcome, WriteParams, WriteService
from engine.write.tables import Tables

logger = logging.getLogger(__name__)

T = TypeVar("T")

Params = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Outside:
    """What an engine works on: the machine's clock and disk, unless somebody brings others.

    Attributes:
        environ: the environment of plugins, of which each host gets a copy.
        executor: runs plugins; ``None`` = as ``plugin-isolation`` says.
        in_background: threads watch the time and the catalog's file; otherwise somebody calls ``tick``.
    """

    clock: Clock = field(default_factory=SystemClock)
    disk: Disk = field(default_factory=RealDisk)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    executor: Executor | None = None
    in_background: bool = True


class Engine:
    """One node, open: ``with Engine.open(settings) as engine: …``. All methods may be called from any thread."""

    def __init__(self, settings: Settings, outside: "Outside | None" = None) -> None:
        outside = outside or Outside()
        self.settings = settings
        self.clock = outside.clock
        self._disk = outside.disk
        self._outside = outside
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        data_dir = settings.data_dir
        if settings.object_store == "memory":
            self._temporary = tempfile.TemporaryDirectory(prefix="influxdb3-memory-")
            data_dir = Path(self._temporary.name)
        self.paths = NodePaths(data_dir, settings.node_id)
        self.lost: Future[str] = Future()
        self.transfers = Transfers(self.clock)
        self._is_open = False
        self._replay: LogReplay | None = None

    @classmethod
    def open(cls, settings: Settings, outside: "Outside | None" = None) -> Self:
        """Return the engine on its data folder, recovered, with its triggers running.

        Raises:
            EngineError: the folder is in use, damaged, or was written by a newer version; the text says how to go on.
            OSError: the folder cannot be written.
        """
        engine = cls(settings, outside)
        engine.start()
        return engine

    def start(self) -> None:
        """Recover and start, in the order of log-and-recovery, "Recovery"; see ``open``."""
        make_durable_folder(self._disk, self.paths.root)
        self._lock = self._disk.lock(self.paths.lock)
        objects: Objects | None = None
        try:
            refuse_unfinished(self._disk, self.paths)
            config = configuration.store(self.settings, self._is_internal, self._oldest_kept)
            objects = self._keep()
            self.store = Store(self._disk, self.paths, config, self.clock, objects)
            self._caches = Caches(
                self._disk, self.paths, self.clock, self.store.schemas, configuration.caches(self.settings)
            )
            tail = self._replay_log()
            self.registry = PluginRegistry(
                self.settings.plugin_dir, self.settings.plugin_repo, self.paths.plugin_cache, self.clock
            )
            self.registry.recover()
            self.catalog = Catalog.open(self._disk, self.paths, self.clock, RunningChecks(self.store, self.registry))
            self.tokens = Tokens(self.catalog, self.clock, is_open=self.settings.without_auth)
            self.tokens.adopt(self.settings.admin_token_file)
            self._mark_deleted(self.catalog.state, self.catalog.state)
            self.catalog.subscribe(self._mark_deleted)
            self._open_log(tail)
            objects.begin(lambda: self.wal.next_position - 1, self._lose)
        except BaseException:
            if objects is not None:
                objects.close(is_complete=False)
            self._lock.release()
            raise
        self._build()
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, timeout_s: float | None = None) -> None:
        """Stop triggers, write the buffer to Parquet, let the folder go; a second call does nothing.

        Runs of plugins get ``timeout_s`` seconds to end, ``None`` = as the setting says.
        """
        if not self._is_open:
            return
        self._is_open = False
        if self._outside.in_background:
            self._watcher.stop()
        self.triggers.close()
        self._environment.close()
        self._environments.close()
        self._executor.close(self.settings.shutdown_timeout_s if timeout_s is None else timeout_s)
        self._queries.close()
        if self._outside.in_background:
            self._timer_loop.stop()
            self._caches.stop()
            self._settling.stop()
            self._maintenance.stop()
        self._journal.flush()
        self._maintenance.finish()
        self.wal.close()
        self.store.objects.close(is_complete=self._maintenance.is_all_stored)
        self._aside.close()
        self._lock.release()
        if self._temporary is not None:
            self._temporary.cleanup()

    # ---- what tells how it is

    @property
    def is_ready(self) -> bool:
        """Return whether the engine is open."""
        return self._is_open

    @property
    def progress(self) -> str:
        """Return how far opening is, for people."""
        replay = self._replay
        if replay is None:
            return "starting"
        return f"reading the log: {replay.done_bytes >> 20} of {replay.total_bytes >> 20} MiB"

    def tick(self) -> None:
        """Do what the clock's time demands; for an engine that is not ``in_background``."""
        self.catalog.poll_edits()
        self._timers.tick()
        self._caches.tick()
        self._settling.tick()
        self._maintenance.tick()
        self._maintenance.compact()
        self.store.objects.tick()

    def quiet(self) -> None:
        """Return when what was found in old parts of the log is on its way to its triggers."""
        self._aside.quiet()

    def snapshot(self) -> None:
        """Write the buffer to Parquet now, and let go of what the log need not hold any more."""
        self._maintenance.snapshot()

    # ---- data

    def write(self, params: WriteParams, body: bytes, parse: BodyParser = parse_body) -> "Future[WriteOutcome]":
        """Write line protocol; see ``WriteService.write``."""
        return self._writes.write(params, body, parse=parse)

    def query(self, database: str, sql: str, params: Params, stop: Stop | None = None) -> QueryResult:
        """Run one SQL statement, which any thread may end by ``stop``.

        Raises:
            DatabaseNotFound: there is no such database.
            EngineError: it cannot be planned or run.
        """
        found = self._database(database)
        tables = StoredTables(self.store, found.database_id)
        system = DatabaseSystemTables(self._sources, found)
        cached = CachedRows(self._caches, self.store.schemas, found, self._oldest_kept)
        with self.query_log.watching(found.database_id, sql) as watch:
            return self._queries.sql(tables, system, sql, params, cached, watch, stop)

    def plugin_query(self, database: str, sql: str, params: dict[str, str | int | float | bool | None]) -> bytes:
        """Return rows as an Arrow IPC stream; names of tables may be parameters (architecture §8.11)."""
        sql, values = self._queries.bind_table_names(sql, params)
        sink = pa.BufferOutputStream()
        with self.query(database, sql, values) as result, pa.ipc.new_stream(sink, result.schema) as stream:
            for batch in result.batches:
                stream.write_batch(batch)
        data: bytes = sink.getvalue().to_pybytes()
        return data

    # ---- triggers and plugins

    def create_trigger(
        self,
        database: str,
        definition: TriggerDefinition,
        *,
        strict: bool = False,
        upload: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Make a trigger, and start it unless it is disabled; return warnings; see ``TriggerDefinitions.create``."""
        return self._definitions.create(database, definition, strict=strict, upload=upload or {})

    def update_trigger(self, database: str, name: str, edit: Edit, *, strict: bool = False) -> list[str]:
        """Make of a trigger what ``edit`` returns for it; return warnings; see ``TriggerDefinitions.update``.

        What runs is interrupted, and done again by the changed trigger. A changed specification begins anew: with what
        comes from now on, and an empty cache.
        """
        return self._definitions.update(database, name, edit, strict=strict)

    def delete_trigger(self, database: str, name: str, force: bool) -> None:
        """Take a trigger out."""
        self._definitions.delete(database, name, force=force)

    def set_trigger_enabled(self, database: str, name: str, enabled: bool) -> None:
        """Enable or disable a trigger; see ``TriggerDefinitions.set_enabled``."""
        self._definitions.set_enabled(database, name, enabled=enabled)

    def backfill(self, database: str, name: str, request: BackfillRequest) -> BackfillStatus:
        """Send stored rows through a write trigger once more; see ``TriggerManager.backfill``."""
        return self.triggers.backfill(database, name, request)

    def cancel_backfill(self, database: str, name: str) -> None:
        """End the backfill of a trigger before its time."""
        self.triggers.cancel_backfill(database, name)

    def begin_trigger_from(self, database: str, name: str, point: StartPoint) -> BackfillStatus | None:
        """Let a write trigger begin anew; see ``TriggerManager.begin_from``."""
        return self.triggers.begin_from(database, name, point)

    def run_figures(self) -> list[tuple[str, TriggerDefinition, RunFigures]]:
        """Return for each trigger its database, its definition and what its runs came to since the start."""
        known = [(d.name, t) for d in self.catalog.state.databases if not d.is_deleted for t in d.triggers]
        self._figures.keep({trigger.trigger_id for _, trigger in known})
        return [(database, trigger, self._figures.of(trigger.trigger_id)) for database, trigger in known]

    def trigger_lag(self, trigger_id: int) -> Lag | None:
        """Return how far a write trigger is behind; see ``TriggerManager.lag``."""
        return self.triggers.lag(trigger_id)

    def delete_cache_state(self, database: str, trigger: str | None, key: str | None) -> None:
        """Take away what a trigger keeps in its cache, or (``None``) what all keep in the global one; see ``CacheStates``."""
        self._cache_states.delete(None if trigger is None else self._definitions.find(database, trigger), key)

    def retry_dead_letters(self, database: str, trigger: str, ids: Sequence[str] | None) -> list[RetryResult]:
        """Run dead letters of a trigger again, all of them if ``ids`` is ``None``; see ``LetterBox.retry``."""
        return self._letters.retry(self.catalog.state, database, trigger, ids)

    def delete_dead_letters(self, database: str, trigger: str | None, ids: Sequence[str] | None) -> int:
        """Throw dead letters away, return how many; see ``LetterBox.delete``."""
        return self._letters.delete(self.catalog.state, self.clock, database, trigger, ids)

    def write_plugin_file(self, name: str, content: str) -> None:
        """Create or replace one file in the plugin folder; see ``PluginRegistry.write_file``."""
        self.registry.write_file(name, content)

    def update_plugin_file(self, trigger: str, content: str, database: str | None = None) -> list[str]:
        """Replace the code of a trigger, in ``database`` (``None``: in any); see ``PluginUpdates.replace_file``."""
        self._check_engine_on()
        return self._plugin_updates.replace_file(find_trigger(self.catalog.state, trigger, database), content)

    def update_plugin_folder(
        self, trigger: str, files: Sequence[tuple[str, str]], database: str | None = None
    ) -> list[str]:
        """Replace the folder of a trigger, in ``database`` (``None``: in any); see ``PluginUpdates.replace_folder``."""
        self._check_engine_on()
        return self._plugin_updates.replace_folder(find_trigger(self.catalog.state, trigger, database), files)

    def request(self, path: str, data: RequestData) -> "Future[Answered]":
        """Hand a request to the trigger of ``path``; see ``TriggerManager.request``."""
        return self.triggers.request(path, data)

    def install_packages(self, packages: Sequence[str]) -> Iterator[str]:
        """Install packages for plugins; yields pip's lines; see ``PluginEnvironment``."""
        return self._plugin_environment().install(packages)

    def install_requirements(self, location: str) -> Iterator[str]:
        """Install what a requirements file lists; yields pip's lines."""
        return self._plugin_environment().install_requirements(location)

    def test_wal(
        self, filename: str, database: str, input_lp: str, cache_name: str | None, arguments: dict[str, str] | None
    ) -> dict[str, Any]:
        """Run a plugin on rows that are not written; see ``DryRuns.wal``."""
        return self._dry_runs.wal(DryRunRequest(filename, database, cache_name, arguments), input_lp)

    def test_schedule(
        self,
        filename: str,
        database: str,
        schedule: str | None,
        cache_name: str | None,
        arguments: dict[str, str] | None,
    ) -> dict[str, Any]:
        """Run a schedule plugin now; see ``DryRuns.schedule``."""
        found = self.catalog.state.database(database)
        request = DryRunRequest(filename, database, cache_name, arguments)
        return self._dry_runs.schedule(request, schedule, database_exists=found is not None)

    def test_request(self, request: DryRunRequest, data: RequestData) -> dict[str, Any]:
        """Run a request plugin on a request that nobody sent; see ``DryRuns.request``."""
        found = self.catalog.state.database(request.database)
        return self._dry_runs.request(request, data, database_exists=found is not None)

    # ---- inside

    def _keep(self) -> Objects:
        cloud = configuration.cloud(self.settings, self.clock)
        remote = configuration.remote(self.settings, in_background=self._outside.in_background)
        return keep_in(cloud, remote, self._disk, self.paths, self.clock, self.transfers)

    def _lose(self, reason: str) -> None:
        self.wal.refuse(reason)
        self.lost.set_result(reason)

    def _replay_log(self) -> LogTail:
        manifest = self.store.open()
        stored_until = min(manifest.rows_until, manifest.state_until)
        after = self._caches.recover(self.paths.wal, stored_until)
        self._replay = LogReplay(self._disk, self.paths.wal, after=after)
        for part in self._replay.parts():
            self._caches.on_replayed(part)
            if part.last_position > stored_until:
                self.store.apply_replayed(part)
        return self._replay.finish()

    def _open_log(self, tail: LogTail) -> None:
        self._wake_ups = WakeUps(self.store.schemas)
        self._log_times = LogTimes(self.clock)
        manifest = self.store.manifest
        start = WalStart(
            tail,
            next_position=max(manifest.rows_until, manifest.state_until) + 1,
            open_generations={c.trigger_id: c.generation for c in self.store.consumers.open_ones()},
            live_tables=[s.table_id for s in self.store.schemas.all_tables()],
        )
        ports = WalPorts(self.store.schemas, (self._log_times, self.store, self._caches, self._wake_ups))
        self._caches.start(
            self.catalog.state, partial(rows_since, self.store), max(start.next_position, tail.next_position)
        )
        self.wal = Wal.open(self._disk, self.clock, configuration.wal(self.settings), start, ports)

    def _build(self) -> None:
        settings = self.settings
        self._plugin_updates = PluginUpdates(self.registry)
        rules = configuration.tables(settings)
        self._writes = WriteService(self.catalog, self.store.schemas, self.wal, self.clock, rules.ceilings)
        self.small_writes = SmallWrites(self.catalog, self.store.schemas, self.wal, self.clock, self._writes)
        self.tables = Tables(self.catalog, self.store.schemas, self.wal, self.clock, rules)
        self.catalog.subscribe(self._caches.on_catalog)
        self.caches = CacheDefinitions(self.catalog, self.store.schemas, self._caches, self.clock)
        self.query_log = QueryLog(self.clock, settings.query_log_size)
        self._queries = QueryExecutor(configuration.queries(settings))
        self.store.warmer = Warming(self._queries)
        self._timers = Timers(self.clock)
        self._timer_loop = TimerLoop(self._timers)
        self._secrets = Secrets(self._outside.environ, settings.plugin_dir)
        self._executor: Executor = SecretExecutor(self._outside.executor or self._make_executor(), self._secrets)
        self._environment = PluginEnvironment(
            configuration.environment_places(settings), settings.package_manager, self._executor.renew
        )
        config = configuration.environments(settings, self.paths, self._outside.environ, self._plugins_in_use)
        self._environments = OwnEnvironments(config, self.clock)
        plugins = PluginSide(self.registry, self._environments, self._secrets)
        self._definitions = TriggerDefinitions(self.catalog, plugins, self.clock, settings.restrict_plugin_triggers_to)
        self._cache_states = CacheStates(self.store.consumers, self.wal, self._executor, self.clock)
        self._figures = Figures()
        stamps = Stamps(self.clock)
        self._journal = Journal(self._writes, self.wal, self._timers, stamps, settings.node_id)
        self._aside = Aside()
        dry_timeout_s = configuration.dry_run_timeout_s(settings)
        self._dry_runs = DryRuns(
            DryRunPorts(self._executor, self.registry, self._environments, self._writes, self, dry_timeout_s),
            self.clock,
        )
        backlogs = Backlogs(self.wal.reader, self._log_times)
        histories = Histories(self._disk, self.paths.backfills, self.store.objects.held, settings.gen1_duration_ns)
        log = LogSide(
            self.wal,
            self.wal.reader,
            self.store.schemas,
            self.store.consumers,
            self._wake_ups,
            backlogs,
            BackfillSide(self._disk, histories, _StoredRows(self), self.clock.now_ns),
        )
        self.triggers = TriggerManager(self.catalog, log, self._toolbox(stamps) if settings.plugin_dir else None)
        answers = TriggerAnswers(self.triggers, self.registry, self._environments, self._cache_states)
        node = NodeSide(answers, self.query_log.records, configuration.node_facts(settings, self.clock.now_ns()))
        self._sources = EngineSources(
            self.catalog, self.store, self.paths, node, int(settings.internal_retention_age_s * 1e9)
        )
        letters = LetterStore(self, self._has_letters)
        self._letters = LetterBox(letters, self.triggers, self.store.schemas, self._writes, self.wal)
        self._settling = Settling(self.store)
        space = DiskSpace(self._disk, self.paths.root, settings.min_free_space_bytes, self.clock)
        ports = AdmissionPorts(lambda: self.store.unstored_bytes, space.check)
        self.admission = Admission(configuration.admission(settings), ports)
        self._maintenance = Maintenance(
            self.store,
            self.wal,
            configuration.maintenance(settings),
            TriggerSide(self.triggers.idle_low, self.triggers.readers, self.triggers.missed),
            self.clock,
            space=space,
            look_after=lambda: self._deletions.tick(),
            before_snapshot=self._caches.save,
        )
        self._deletions = HardDeletions(
            self.catalog,
            self.store,
            self.wal,
            self.clock,
            self._maintenance.snapshot,
            grace_ns=int(settings.delete_grace_period_s * 1e9),
        )
        side = BackupSide(self._maintenance, lambda: self.catalog.content, configuration.kept_elsewhere(self.settings))
        self.backups = Backups(self._disk, self.clock, self.paths, self.wal, side)
        self._watcher = EditWatcher(self.catalog.poll_edits, self.paths.catalog)
        self.registry.fetch_missing(
            t.plugin_filename for d in self.catalog.state.databases if not d.is_deleted for t in d.triggers if t.enabled
        )
        self.triggers.start()
        if self._outside.in_background:
            self._timer_loop.start()
            self._caches.run()
            self._settling.start()
            self._maintenance.start()
            self._watcher.start()
            threading.Thread(target=self._environment.resume, name="finish-installation", daemon=True).start()

    def _toolbox(self, stamps: Stamps) -> Toolbox:
        return Toolbox(
            clock=self.clock,
            timers=self._timers,
            executor=self._executor,
            hide=self._secrets.hide,
            sources=self.registry,
            environments=self._environments,
            wal=self.wal,
            writes=self._writes,
            journal=self._journal,
            stamps=stamps,
            services=ServiceKit(self._journal, self, self._writes, self.store.consumers),
            figures=self._figures,
            cache_bytes=self.settings.plugin_cache_size_bytes,
            limits=configuration.limit_defaults(self.settings),
            most_side_by_side=self.settings.async_trigger_concurrency_limit,
            aside=self._aside.submit,
        )

    def _is_internal(self, schema: TableSchema) -> bool:
        internal = self.catalog.state.database(INTERNAL_DATABASE)
        return internal is not None and internal.database_id == schema.database_id

    def _oldest_kept(self, schema: TableSchema) -> int | None:
        return oldest_kept(self.catalog.state, schema, self.clock.now_ns())

    def _mark_deleted(self, old: CatalogState, new: CatalogState) -> None:
        self.store.schemas.mark(deleted_tables(new))

    def _has_letters(self) -> bool:
        internal = self.catalog.state.database(INTERNAL_DATABASE)
        return internal is not None and self.store.schemas.find(internal.database_id, DEAD_LETTERS) is not None

    def _make_executor(self) -> Executor:
        if self.settings.plugin_isolation == "embedded":
            # A server whose plugins run elsewhere starts sooner without the code that runs them.
            from engine.plugins.executors.embedded import EmbeddedExecutor

            return EmbeddedExecutor(self.clock)
        return HostExecutor(configuration.hosts(self.settings, self._outside.environ), self.clock)

    def _plugins_in_use(self) -> Iterator[Path]:
        """Yield where the plugins of all triggers are, as far as that is known."""
        for database in self.catalog.state.databases:
            for trigger in () if database.is_deleted else database.triggers:
                source = self.registry.on_disk(trigger.plugin_filename)
                if source is not None:
                    yield Path(source.path)

    def _database(self, name: str) -> Database:
        found = self.catalog.state.database(name)
        if found is None:
            raise DatabaseNotFound(f"database not found: {name}")
        return found

    def _check_engine_on(self) -> None:
        if self.settings.plugin_dir is None:
            raise EngineOff(NO_PLUGIN_DIR)

    def _plugin_environment(self) -> PluginEnvironment:
        self._check_engine_on()
        return self._environment


class _StoredRows:
    """The rows of the store as backfills need them (port ``StoredRows``)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def intact_files(self, table_id: int) -> Sequence[FileEntry]:
        """See ``StoredRows``."""
        return self._engine.store.intact_files(table_id)

    def with_all_stored(self, use: Callable[[int], T]) -> T:
        """See ``StoredRows``."""
        return self._engine._maintenance.with_all_stored(use)
