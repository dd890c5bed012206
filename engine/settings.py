"""The settings of a server: one table of rows, from which come the options of ``serve``, the docs, and ``Settings``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.access_settings import ACCESS_SETTINGS
from engine.data_settings import DATA_SETTINGS
from engine.errors import InvalidRequest
from engine.log_settings import LOG_SETTINGS
from engine.model.bind import Bind, parse_bind
from engine.model.log_filter import LogFilter, filter_of_verbosity
from engine.model.trigger_spec import RunKind
from engine.plugin_settings import PLUGIN_SETTINGS
from engine.query_settings import QUERY_SETTINGS
from engine.setting import (
    PREFIX,
    Secret,
    Setting,
    choice,
    count_or_off,
    folder_or_file,
    seconds,
    size_of_at_least,
)
from engine.store_settings import STORE_SETTINGS


def _node_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", text):
        raise ValueError("expected letters, digits, '.', '_', '-' (not first), at most 200: it names a folder")
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "node-id",
        _node_id,
        "node0",
        "Name of this node; its data is in the folder of this name in the data directory.",
        other_names=("host-id",),
        variables=("INFLUXDB3_NODE_ID", "INFLUXDB3_NODE_IDENTIFIER_PREFIX"),
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
_BY_NAME = {name: setting for setting in SETTINGS for name in (setting.name, *setting.other_names)}


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as somebody gave it; ``source`` tells that person where."""

    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server, one attribute for each row of ``SETTINGS``.

    Attributes:
        plugin_dir: ``None`` = the Processing engine is off.
        virtual_env_location: ``None`` only while the Processing engine is off.
        plugin_timeout_s: ``None`` = no limit, as for the other limits of plugins.
    """

    node_id: str
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
    parser_processes: int | None
    wal_max_buffered_size_bytes: int
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

    def __post_init__(self) -> None:
        if self.plugin_dir and not self.virtual_env_location:
            object.__setattr__(self, "virtual_env_location", self.plugin_dir / ".venv")
        if self.verbose:
            object.__setattr__(self, "log_filter", filter_of_verbosity(self.verbose))

    @classmethod
    def resolve(
        cls, options: Mapping[str, object], environ: Mapping[str, str], file: Mapping[str, object]
    ) -> "Settings":
        """Return the settings that ``options`` state, else ``environ``, else the configuration ``file``, else the defaults.

        Keys of ``options`` and ``file`` are names of rows, ``_`` for ``-`` allowed. ``None`` = not given. Values are
        text as typed, booleans, numbers, or lists of text.

        Raises:
            InvalidRequest: the text quotes the value, says where it stands and what is allowed.
        """
        given = {
            **_named(file, "{} in the configuration file"),
            **_from_environment(environ),
            **_named(options, "--{}"),
        }
        values = {setting.attribute: _value(setting, given.get(setting.name)) for setting in SETTINGS}
        return cls(**values)

    @classmethod
    def for_tests(cls, tmp_path: Path, **changes: Any) -> "Settings":
        """Return settings that touch nothing outside ``tmp_path``: any port, no tokens, plugins inside the server.

        The Processing engine is off unless ``plugin_dir`` is among ``changes``, which are attributes and their values.
        """
        options = {"data-dir": str(tmp_path / "data"), "http-bind": "127.0.0.1:0", "without-auth": True}
        small = {"plugin-isolation": "embedded", "wal-segment-size": "1mb", "exec-mem-pool-size": "256mb"}
        return replace(cls.resolve({**options, **small}, {}, {}), **changes)


def _named(values: Mapping[str, object], source: str) -> dict[str, _Given]:
    """Return what ``values`` give, by name of row; ``source`` is where they stand, with ``{}`` for the name."""
    found: dict[str, _Given] = {}
    for key, value in values.items():
        if value is None:
            continue
        place = source.format(key.replace("_", "-"))
        setting = _BY_NAME.get(key.replace("_", "-"))
        if setting is None:
            raise InvalidRequest(f"unknown setting: {place}")
        if setting.name in found:
            raise InvalidRequest(f"{place} and {found[setting.name].source} say the same; give one of them")
        found[setting.name] = _Given(_text(value, place), place)
    return found


def _text(value: object, place: str) -> str:
    """Return ``value`` as somebody would have typed it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, str | int | float | Path):
        return str(value)
    raise InvalidRequest(f"invalid value for {place}: expected text, a number or a boolean")


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    """Return what environment variables give; those without our prefix belong to others, so an empty one is unset."""
    found: dict[str, _Given] = {}
    for setting in SETTINGS:
        for name in setting.environment:
            if name in environ and (environ[name] or name.startswith(PREFIX)):
                found[setting.name] = _Given(environ[name], name)
                break
    return found


def _value(setting: Setting, given: _Given | None) -> Any:
    if given is None:
        return None if setting.default is None else setting.read(setting.default)
    if not given.text.strip():
        otherwise = setting.unset or f"{setting.default} holds"
        raise InvalidRequest(
            f"{given.source} is an empty string, which is no value: leave it out or unset it ({otherwise})"
        )
    try:
        return setting.read(given.text)
    except ValueError as error:
        raise InvalidRequest(f"invalid value '{given.text}' for {given.source}: {error}") from error
