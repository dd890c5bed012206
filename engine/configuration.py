"""What the settings of a server mean for its parts: one small value for each."""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.caches.caches import CachesConfig
from engine.clock import Clock
from engine.errors import InvalidRequest
from engine.model.schema import TableSchema
from engine.model.trigger import Isolation, TriggerLimits
from engine.paths import NodePaths
from engine.plugins.environment import EnvironmentPlaces
from engine.plugins.environments import EnvironmentsConfig
from engine.plugins.executors.host import ExecutorConfig
from engine.plugins.processes import HostConfig
from engine.query.config import QueryConfig
from engine.setting import Secret
from engine.settings import SETTINGS, Settings
from engine.storage.cloud_config import CloudConfig, KeysFile, RemoteConfig
from engine.storage.maintenance import MaintenanceConfig
from engine.storage.retention import Retention, internal_retention
from engine.storage.store import StoreConfig
from engine.storage.truncation import LogRetention
from engine.system_tables.ports import NodeFacts
from engine.triggers.limits import LimitDefaults
from engine.wal.ports import WalConfig
from engine.write.admission import AdmissionConfig
from engine.write.ceilings import Ceilings
from engine.write.tables import TableRules

MOST_TRANSFERS = 8
"""So many files go to or from an object store at one time: more do not come sooner, and take memory."""

HIDDEN = "*******"
"""Stands for a secret where settings are shown."""

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
        settings.gen1_duration_ns,
        is_internal,
        internal_retention(happened, letters),
        oldest_kept=oldest_kept,
        writes_beside=not settings.compact_in_server and kept_elsewhere(settings) is None,
    )


def kept_elsewhere(settings: Settings) -> str | None:
    """Return the kind of object store that keeps the files, ``None`` if this machine does."""
    return None if settings.object_store in ("file", "memory") else settings.object_store


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


def queries(settings: Settings) -> QueryConfig:
    """Return how queries run."""
    return QueryConfig(
        settings.exec_mem_pool_size_bytes,
        settings.query_memory_limit_bytes,
        settings.num_datafusion_threads,
        settings.query_timeout_s,
        settings.max_concurrent_queries,
        settings.query_file_limit,
        settings.datafusion_config or {},
    )


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


def cloud(settings: Settings, clock: Clock) -> CloudConfig | None:
    """Return where objects are kept, ``None`` for a node that keeps everything in its folder.

    Raises:
        InvalidRequest: a setting is missing.
        ObjectStoreRefused: a file that a setting names cannot be read.
    """
    kind = settings.object_store
    if kind not in ("s3", "google", "azure"):
        return None
    if settings.bucket is None:
        raise InvalidRequest(f"--object-store {kind} needs --bucket, the name of a bucket that exists")
    if kind == "azure" and settings.azure_storage_account is None:
        raise InvalidRequest("--object-store azure needs --azure-storage-account")
    keys = settings.aws_credentials_file if kind == "s3" else None
    credentials = KeysFile(keys, clock) if keys is not None else None
    if credentials is not None:
        credentials()  # a person is there now who can read what is wrong with it
    return CloudConfig(
        kind=kind,  # type: ignore[arg-type]  # as was just looked at
        bucket=settings.bucket,
        prefix=settings.node_id,
        config=_given(_STORES[kind](settings)),
        client=_given(_client(settings)),
        connections=settings.object_store_connection_limit,
        request_timeout_s=settings.object_store_request_timeout_s,
        max_retries=settings.object_store_max_retries,
        retry_timeout_s=settings.object_store_retry_timeout_s,
        credentials=credentials,
    )


def remote(settings: Settings, *, in_background: bool) -> RemoteConfig:
    """Return how a node is kept in an object store."""
    return RemoteConfig(
        cache_bytes=settings.object_store_cache_size_bytes,
        transfers=min(settings.object_store_connection_limit, MOST_TRANSFERS),
        lease_s=settings.object_store_lease_duration_s,
        take_over=settings.object_store_take_over,
        machine=f"{socket.gethostname()}, process {os.getpid()}",
        in_background=in_background,
    )


def _s3(settings: Settings) -> dict[str, object]:
    keys = settings.aws_credentials_file is None
    return {
        "access_key_id": _shown(settings.aws_access_key_id) if keys else None,
        "secret_access_key": _shown(settings.aws_secret_access_key) if keys else None,
        "session_token": _shown(settings.aws_session_token) if keys else None,
        "region": settings.aws_default_region,
        "endpoint": settings.aws_endpoint,
        "skip_signature": settings.aws_skip_signature or None,
    }


def _google(settings: Settings) -> dict[str, object]:
    account = settings.google_service_account
    return {"service_account": None if account is None else str(account)}


def _azure(settings: Settings) -> dict[str, object]:
    return {
        "account_name": settings.azure_storage_account,
        "account_key": _shown(settings.azure_storage_access_key),
        "endpoint": settings.azure_endpoint,
    }


_STORES: dict[str, Callable[[Settings], dict[str, object]]] = {"s3": _s3, "google": _google, "azure": _azure}


def _client(settings: Settings) -> dict[str, object]:
    allow_http = {"s3": settings.aws_allow_http, "azure": settings.azure_allow_http}
    ca = settings.object_store_tls_ca
    frame = settings.object_store_http2_max_frame_size_bytes
    try:
        authorities = None if ca is None else ca.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"--object-store-tls-ca {ca} is not a PEM file that can be read: {error}") from error
    return {
        "allow_http": allow_http.get(settings.object_store) or None,
        "http1_only": False if settings.object_store_http2_only else None,
        "http2_only": settings.object_store_http2_only or None,
        "http2_max_frame_size": None if frame is None else str(frame),
        "allow_invalid_certificates": settings.object_store_tls_allow_insecure or None,
        "root_certificate": authorities,
    }


def _given(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _shown(secret: Secret | None) -> str | None:
    return None if secret is None else secret.value


def node_facts(settings: Settings, started_ns: int) -> NodeFacts:
    """Return what system tables tell of this server."""
    values = {setting.name: getattr(settings, setting.attribute) for setting in SETTINGS}
    shown = {name: _as_json(value) for name, value in values.items() if value is not None}
    return NodeFacts(
        settings.node_id, os.cpu_count() or 1, started_ns, settings.gen1_duration_ns, json.dumps(shown, sort_keys=True)
    )


def _as_json(value: object) -> object:
    """Return a setting as a JSON value."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, frozenset | tuple | list):
        return sorted(map(str, value))
    return value if isinstance(value, bool | int | float | str | dict) else str(value)
