"""The settings of a server: one table of rows, from which come the options of ``serve``, the docs, and ``Settings``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.access_settings import ACCESS_SETTINGS
from engine.config_file import ConfigFile, read_config_file
from engine.data_settings import DATA_SETTINGS
from engine.errors import EngineError, InvalidRequest
from engine.inert_settings import FULFILLED_SETTINGS, INERT_SETTINGS
from engine.log_settings import LOG_SETTINGS
from engine.model.bind import Bind, parse_bind
from engine.model.log_filter import LogFilter, filter_of_verbosity
from engine.model.trigger_spec import RunKind
from engine.plugin_settings import PLUGIN_SETTINGS
from engine.query_settings import QUERY_SETTINGS
from engine.setting import (
    Secret,
    Setting,
    choice,
    count_or_off,
    folder_or_file,
    seconds,
    size_of_at_least,
)
from engine.sources import Given, Rows, value_of
from engine.store_settings import STORE_SETTINGS


def _node_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", text):
        raise ValueError("expected letters, digits, '.', '_', '-' (not first), at most 200: it names a folder")
    return text


class NodeIdMissing(EngineError):
    """The name of the node is not where it shall be."""


MODES = ("all", "ingest", "query", "compact", "process")
"""What nodes of a cluster of the product may be for."""


def _modes(text: str) -> frozenset[str]:
    words = [word.strip() for word in text.lower().split(",")]
    unknown = [word for word in words if word not in MODES]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not one of {', '.join(MODES)}")
    return frozenset(words)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "config",
        folder_or_file,
        None,
        'File of settings in TOML, each on a line such as plugin-dir = "/srv/plugins"; options and variables go before it.',
        unset="no file",
    ),
    Setting(
        "node-id",
        _node_id,
        "node0",
        "Name of this node; its data is in the folder of this name in the data directory.",
        other_names=("host-id",),
        variables=("INFLUXDB3_NODE_ID", "INFLUXDB3_NODE_IDENTIFIER_PREFIX"),
    ),
    Setting(
        "node-id-from-env",
        str,
        None,
        "Name of the environment variable that holds the name of this node, in place of --node-id.",
        unset="no variable",
        variables=("INFLUXDB3_NODE_ID_FROM_ENV", "INFLUXDB3_NODE_IDENTIFIER_FROM_ENV"),
    ),
    Setting(
        "mode",
        _modes,
        "all",
        "What this node is for: all, or some of ingest, query, compact, process, separated by commas. One server does all "
        "of it, whatever this says; `process` needs --plugin-dir.",
        variables=("INFLUXDB3_MODE", "INFLUXDB3_ENTERPRISE_MODE"),
    ),
    choice(
        "object-store",
        ("file", "memory", "s3", "google", "azure"),
        "file",
        "Where data is kept: in the data directory, in a private folder that is removed at the end, or in a bucket, the "
        "data directory then holding the log and a cache.",
    ),
    Setting(
        "data-dir",
        folder_or_file,
        "~/.influxdb",
        "Folder of the data; made if it is missing.",
        variables=("INFLUXDB3_DATA_DIR", "INFLUXDB3_DB_DIR"),
    ),
    Setting(
        "http-bind",
        parse_bind,
        "127.0.0.1:8181",
        "Address to listen at; port 0 takes any that is free.",
        variables=("INFLUXDB3_HTTP_BIND_ADDR",),
    ),
    Setting(
        "max-http-request-size",
        size_of_at_least(1),
        "10485760",
        "Largest body of a request, after decompression too.",
        unit="bytes",
    ),
    Setting(
        "max-databases",
        count_or_off,
        None,
        "Most databases; a write or command that needs one more is refused. `off` sets no limit.",
        unset="no limit",
    ),
    Setting(
        "max-tables",
        count_or_off,
        None,
        "Most tables in all databases together; lines that need one more are refused. `off` sets no limit.",
        unset="no limit",
    ),
    Setting(
        "max-columns",
        count_or_off,
        None,
        "Most tags and fields of a table; lines that need one more are refused. `off` sets no limit.",
        unset="no limit",
    ),
    *ACCESS_SETTINGS,
    Setting(
        "tcp-listener-file-path",
        folder_or_file,
        None,
        "File to which the address is written once the server listens.",
        unset="no such file",
        variables=("INFLUXDB3_TCP_LISTENER_FILE_PATH", "INFLUXDB3_TCP_LISTINER_FILE_PATH"),
    ),
    *PLUGIN_SETTINGS,
    *DATA_SETTINGS,
    *QUERY_SETTINGS,
    *LOG_SETTINGS,
    *STORE_SETTINGS,
    Setting(
        "shutdown-timeout",
        seconds,
        "30s",
        "Longest time that a server which is told to stop waits for runs of plugins.",
        unit="s",
    ),
)
_CONFIG = Rows(SETTINGS[:1])
_ROWS = Rows((*SETTINGS, *INERT_SETTINGS, *FULFILLED_SETTINGS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server, one attribute for each row of ``SETTINGS``.

    Attributes:
        plugin_dir: ``None`` = the Processing engine is off.
        virtual_env_location: ``None`` only while the Processing engine is off.
        plugin_timeout_s: ``None`` = no limit, as for the other limits of plugins.
        notes: sentences for whoever starts the server, about what was given and does not do what it seems to.
    """

    config: Path | None
    node_id: str
    node_id_from_env: str | None
    mode: frozenset[str]
    object_store: str
    data_dir: Path
    http_bind: Bind
    max_http_request_size_bytes: int
    max_databases: int | None
    max_tables: int | None
    max_columns: int | None
    without_auth: bool
    disable_authz: frozenset[str]
    admin_token_file: Path | None
    admin_token_recovery_http_bind: Bind | None
    admin_token_recovery_tcp_listener_file_path: Path | None
    tls_key: Path | None
    tls_cert: Path | None
    tls_minimum_version: str
    tcp_listener_file_path: Path | None
    plugin_dir: Path | None
    virtual_env_location: Path | None
    package_manager: str
    disable_package_management: bool
    plugin_repo: str
    plugin_isolation: str
    plugin_timeout_s: float | None
    plugin_max_memory_bytes: int | None
    plugin_max_cpu_s: float | None
    plugin_max_rows_per_run: int | None
    plugin_freeze_timeout_s: float
    plugin_cache_size_bytes: int
    async_trigger_concurrency_limit: int
    restrict_plugin_triggers_to: frozenset[RunKind]
    last_cache_eviction_interval_s: float
    last_cache_max_rows: int
    distinct_cache_eviction_interval_s: float
    wal_flush_interval_s: float
    wal_segment_size_bytes: int
    wal_max_buffered_writes: int
    wal_max_buffered_size_bytes: int
    parser_processes: int | None
    compact_in_server: bool
    min_free_space_bytes: int
    wal_retention_size_bytes: int
    wal_retention_age_s: float
    internal_retention_age_s: float
    internal_retention_size_bytes: int
    dead_letter_retention_age_s: float
    dead_letter_retention_size_bytes: int
    retention_check_interval_s: float
    hard_delete_default_duration_s: float
    delete_grace_period_s: float
    force_snapshot_mem_size_bytes: int
    gen1_duration_ns: int
    exec_mem_pool_size_bytes: int
    query_memory_limit_bytes: int | None
    max_concurrent_queries: int | None
    query_file_limit: int | None
    num_datafusion_threads: int | None
    datafusion_config: Mapping[str, str] | None
    query_log_size: int
    query_timeout_s: float | None
    log_filter: LogFilter
    verbose: int
    disable_log_filter_noise_reduction: bool
    log_format: str
    log_destination: str
    bucket: str | None
    aws_access_key_id: Secret | None
    aws_secret_access_key: Secret | None
    aws_session_token: Secret | None
    aws_credentials_file: Path | None
    aws_default_region: str
    aws_endpoint: str | None
    aws_allow_http: bool
    aws_skip_signature: bool
    google_service_account: Path | None
    azure_storage_account: str | None
    azure_storage_access_key: Secret | None
    azure_endpoint: str | None
    azure_allow_http: bool
    object_store_connection_limit: int
    object_store_http2_only: bool
    object_store_http2_max_frame_size_bytes: int | None
    object_store_request_timeout_s: float
    object_store_max_retries: int | None
    object_store_retry_timeout_s: float | None
    object_store_tls_allow_insecure: bool
    object_store_tls_ca: Path | None
    object_store_cache_size_bytes: int
    object_store_lease_duration_s: float
    object_store_take_over: bool
    shutdown_timeout_s: float
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.plugin_dir and not self.virtual_env_location:
            object.__setattr__(self, "virtual_env_location", self.plugin_dir / ".venv")
        if self.verbose:
            object.__setattr__(self, "log_filter", filter_of_verbosity(self.verbose))
        if self.disable_package_management:
            object.__setattr__(self, "package_manager", "disabled")

    @classmethod
    def load(cls, options: Mapping[str, object], environ: Mapping[str, str]) -> "Settings":
        """Return the settings of ``options`` and ``environ``, and of the configuration file that one of them names.

        Raises:
            InvalidRequest: as for ``resolve`` and ``read_config_file``.
        """
        given = {**_CONFIG.from_environment(environ), **_CONFIG.from_options({"config": options.get("config")})}
        path = value_of(SETTINGS[0], given.get("config"))
        return cls.resolve(options, environ, None if path is None else read_config_file(path))

    @classmethod
    def resolve(
        cls, options: Mapping[str, object], environ: Mapping[str, str], file: ConfigFile | None = None
    ) -> "Settings":
        """Return the settings that ``options`` state, else ``environ``, else the configuration ``file``, else the defaults.

        Keys of ``options`` are names of rows, ``_`` for ``-`` allowed. ``None`` = not given. Values are text as typed,
        booleans, numbers, or lists of text.

        Raises:
            InvalidRequest: the text quotes the value, says where it stands and what is allowed.
            NodeIdMissing: the variable that shall hold the name of the node is not set.
        """
        from_file = {} if file is None else _ROWS.from_file(file)
        if "config" in from_file:
            raise InvalidRequest(f"{from_file['config'].source}: a configuration file cannot name another one")
        given = {**from_file, **_ROWS.from_environment(environ), **_ROWS.from_options(options)}
        if "node-id-from-env" in given:
            given["node-id"] = _node_id_from_environment(given, environ)
        values = {setting.attribute: value_of(setting, given.get(setting.name)) for setting in SETTINGS}
        for setting in (*INERT_SETTINGS, *FULFILLED_SETTINGS):
            value_of(setting, given.get(setting.name))
        _refuse_contradictions(values, given)
        return cls(**values, notes=(*_ROWS.old_variables(environ), *_notes(values, given)))

    @classmethod
    def for_tests(cls, tmp_path: Path, **changes: Any) -> "Settings":
        """Return settings that touch nothing outside ``tmp_path``: any port, no tokens, plugins inside the server.

        The Processing engine is off unless ``plugin_dir`` is among ``changes``, which are attributes and their values.
        """
        options = {"data-dir": str(tmp_path / "data"), "http-bind": "127.0.0.1:0", "without-auth": True}
        small = {"plugin-isolation": "embedded", "wal-segment-size": "1mb", "exec-mem-pool-size": "256mb"}
        return replace(cls.resolve({**options, **small, "compact-in-server": True}, {}), **changes)


def _node_id_from_environment(given: Mapping[str, Given], environ: Mapping[str, str]) -> Given:
    """Return the name of the node that is in the variable which was named."""
    naming = given["node-id-from-env"]
    if "node-id" in given:
        raise InvalidRequest(f"{naming.source} and {given['node-id'].source} exclude each other; give one of them")
    if not environ.get(naming.text):
        raise NodeIdMissing(
            f"Must set INFLUXDB3_NODE_IDENTIFIER_PREFIX={naming.text} to a valid env var value for the node id: "
            f"the environment has no {naming.text}, which {naming.source} names"
        )
    return Given(environ[naming.text], f"{naming.text}, which {naming.source} names")


def _refuse_contradictions(values: Mapping[str, Any], given: Mapping[str, Given]) -> None:
    if "process" in values["mode"] and values["plugin_dir"] is None:
        raise InvalidRequest(
            f"{given['mode'].source} says process, which needs --plugin-dir: without it the Processing engine is off"
        )


def _notes(values: Mapping[str, Any], given: Mapping[str, Given]) -> list[str]:
    """Return what whoever starts the server should know about what was given."""
    notes = []
    inert = [given[setting.name].source for setting in INERT_SETTINGS if setting.name in given]
    if inert:
        notes.append(f"taken, but without effect here: {', '.join(inert)}")
    missing = [mode for mode in MODES[1:] if mode not in values["mode"]]
    if missing and "all" not in values["mode"]:
        notes.append(
            f"{given['mode'].source}: one server does everything here, so {', '.join(missing)} are not switched off"
        )
    if values["object_store"] == "memory" and "data-dir" in given:
        notes.append(f"{given['data-dir'].source} is not used: object store memory keeps all data in a private folder")
    return notes
