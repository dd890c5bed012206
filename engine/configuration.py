"""What the settings of a server mean for its parts: one small value for each."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.caches.caches import CachesConfig
from engine.model.schema import TableSchema
from engine.model.trigger import Isolation, TriggerLimits
from engine.paths import NodePaths
from engine.plugins.environment import EnvironmentPlaces
from engine.plugins.environments import EnvironmentsConfig
from engine.plugins.executors.host import ExecutorConfig
from engine.plugins.processes import HostConfig
from engine.settings import Settings
from engine.storage.maintenance import MaintenanceConfig
from engine.storage.retention import Retention, internal_retention
from engine.storage.store import StoreConfig
from engine.storage.truncation import LogRetention
from engine.triggers.limits import LimitDefaults
from engine.wal.ports import WalConfig
from engine.write.admission import AdmissionConfig
from engine.write.ceilings import Ceilings
from engine.write.tables import TableRules

OWN_ENVIRONMENTS = ".venvs"
"""In the plugin folder: the environments of single plugins."""

DRY_RUN_TIMEOUT_S = 60.0
"""So long a dry run may take where the server sets no limit to runs: somebody waits for it."""


def store(
    settings: Settings, is_internal: Callable[[TableSchema], bool], oldest_kept: Callable[[TableSchema], int | None]
) -> StoreConfig:
    """Return how rows are kept; ``is_internal`` tells the engine's own tables, for ``oldest_kept`` see ``StoreConfig``."""
    happened = Retention(int(settings.internal_retention_age_s * 1e9), settings.internal_retention_size_bytes)
    letters = Retention(int(settings.dead_letter_retention_age_s * 1e9), settings.dead_letter_retention_size_bytes)
    return StoreConfig(
        settings.gen1_duration_ns, is_internal, internal_retention(happened, letters), oldest_kept=oldest_kept
    )


def wal(settings: Settings) -> WalConfig:
    """Return how the log is written."""
    return WalConfig(segment_bytes=settings.wal_segment_size_bytes, lazy_ns=int(settings.wal_flush_interval_s * 1e9))


def maintenance(settings: Settings) -> MaintenanceConfig:
    """Return when the buffer is written to files, and how much of the log is kept."""
    retention = LogRetention(settings.wal_retention_size_bytes, int(settings.wal_retention_age_s * 1e9))
    check_ns = int(settings.retention_check_interval_s * 1e9)
    return MaintenanceConfig(settings.force_snapshot_mem_size_bytes, retention, check_ns)


def admission(settings: Settings) -> AdmissionConfig:
    """Return how much of what is written may wait in memory."""
    return AdmissionConfig(
        settings.wal_max_buffered_writes,
        settings.wal_max_buffered_size_bytes,
        settings.force_snapshot_mem_size_bytes,
    )


def ceilings(settings: Settings) -> Ceilings:
    """Return how many databases, tables and columns there may be."""
    return Ceilings(settings.max_databases, settings.max_tables, settings.max_columns)


def tables(settings: Settings) -> TableRules:
    """Return what holds for all tables and databases."""
    return TableRules(ceilings(settings), int(settings.hard_delete_default_duration_s * 1e9))


def caches(settings: Settings) -> CachesConfig:
    """Return how last-value and distinct-value caches are kept."""
    return CachesConfig(
        settings.last_cache_eviction_interval_s,
        settings.distinct_cache_eviction_interval_s,
        settings.last_cache_max_rows,
    )


def limit_defaults(settings: Settings) -> LimitDefaults:
    """Return the limits of triggers that state none."""
    limits = TriggerLimits(
        settings.plugin_timeout_s,
        settings.plugin_max_memory_bytes,
        settings.plugin_max_cpu_s,
        settings.plugin_max_rows_per_run,
    )
    isolation = Isolation.TRIGGER if settings.plugin_isolation == "trigger" else Isolation.SHARED
    return LimitDefaults(limits, isolation)


def hosts(settings: Settings, environ: Mapping[str, str]) -> ExecutorConfig:
    """Return how plugin hosts are started; ``environ``: the environment of which each gets a copy."""
    return ExecutorConfig(_host(settings, environ), settings.plugin_freeze_timeout_s)


def environment_places(settings: Settings) -> EnvironmentPlaces | None:
    """Return where the packages of plugins are, ``None`` without a plugin folder."""
    if settings.plugin_dir is None or settings.virtual_env_location is None:
        return None
    return EnvironmentPlaces(settings.virtual_env_location, settings.plugin_dir)


def environments(
    settings: Settings, paths: NodePaths, environ: Mapping[str, str], in_use: Callable[[], Iterator[Path]]
) -> EnvironmentsConfig:
    """Return how own environments of plugins are made; ``in_use`` yields where the plugins of all triggers are."""
    return EnvironmentsConfig(
        (settings.plugin_dir or paths.root) / OWN_ENVIRONMENTS,
        settings.package_manager,
        None if settings.plugin_isolation == "embedded" else _host(settings, environ),
        in_use,
    )


def dry_run_timeout_s(settings: Settings) -> float:
    """Return how long a dry run may take."""
    return settings.plugin_timeout_s or DRY_RUN_TIMEOUT_S


def _host(settings: Settings, environ: Mapping[str, str]) -> HostConfig:
    return HostConfig(environ, settings.plugin_dir, settings.virtual_env_location)
