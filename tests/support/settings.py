"""A value for each setting of a server, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import configuration
from engine.config_file import parse_config
from engine.model.trigger import Isolation
from engine.paths import NodePaths
from engine.settings import SETTINGS, Settings
from engine.storage.cloud_config import CloudConfig
from tests.support.clock import ManualClock

FILE = Path("influxdb3-core.conf")
MB = 1024**2
SECOND_NS = 10**9
ENVIRON = {"HOME_NAME": "h"}

S3 = {"object-store": "s3", "bucket": "b"}
AZURE = {"object-store": "azure", "bucket": "b", "azure-storage-account": "a"}


@dataclass(frozen=True)
class Case:
    """A value that is not the default, and what comes of it.

    Attributes:
        held: what a part of the engine gets, or the test that shows what comes of it, without ``tests/`` and ``.py``.
        expected: what it gets.
        beside: what must be given with it.
    """

    text: str
    held: Callable[[Settings], object] | str
    expected: object = None
    beside: tuple[tuple[str, str], ...] = ()


def cloud(read: Callable[[CloudConfig], object]) -> Callable[[Settings], object]:
    def look(settings: Settings) -> object:
        config = configuration.cloud(settings, ManualClock())
        assert config is not None
        return read(config)

    return look


def store(settings: Settings) -> Any:
    return configuration.store(settings, lambda _: False, lambda _: None)


def remote(settings: Settings) -> Any:
    return configuration.remote(settings, in_background=False)


def s3(text: str, read: Callable[[CloudConfig], object], expected: object) -> Case:
    return Case(text, cloud(read), expected, tuple(S3.items()))


def azure(text: str, read: Callable[[CloudConfig], object], expected: object) -> Case:
    return Case(text, cloud(read), expected, tuple(AZURE.items()))


CASES: dict[str, Case] = {
    "config": Case("x.conf", "e2e/test_configured::test_a_server_of_a_file_says_what_it_does"),
    "node-id": Case("n1", lambda s: NodePaths(s.data_dir, s.node_id).root.name, "n1"),
    "node-id-from-env": Case("HOME_NAME", "engine/test_settings::test_the_node_s_name_may_come_from_a_variable"),
    "mode": Case("ingest,query", "engine/test_settings::test_what_does_not_do_what_it_seems_to_is_told"),
    "object-store": Case("memory", "e2e/test_configured::test_telemetry_is_told_with_two_v"),
    "data-dir": Case("/d", lambda s: NodePaths(s.data_dir, s.node_id).root, Path("/d/node0")),
    "http-bind": Case("127.0.0.1:0", "e2e/test_serve::test_a_server_tells_that_it_is_up_and_stops_in_good_order"),
    "max-http-request-size": Case(
        "100000", "e2e/test_serve::test_a_body_over_the_limit_is_answered_and_ends_the_connection"
    ),
    "max-databases": Case("3", lambda s: configuration.ceilings(s).databases, 3),
    "max-tables": Case("3", lambda s: configuration.ceilings(s).tables, 3),
    "max-columns": Case("3", lambda s: configuration.ceilings(s).columns, 3),
    "without-auth": Case("true", "conformance/test_api_auth::test_without_authentication_there_are_no_tokens"),
    "disable-authz": Case("metrics", "conformance/test_api_auth::test_paths_are_opened"),
    "admin-token-file": Case("t.json", "e2e/test_tokens::test_a_token_from_a_file_is_lost_and_recovered"),
    "admin-token-recovery-http-bind": Case(
        "[::1]:1", "e2e/test_tokens::test_a_token_from_a_file_is_lost_and_recovered"
    ),
    "admin-token-recovery-tcp-listener-file-path": Case(
        "f", "e2e/test_tokens::test_a_token_from_a_file_is_lost_and_recovered"
    ),
    "tls-key": Case("k.pem", "e2e/test_tls::test_http_and_flight"),
    "tls-cert": Case("c.pem", "e2e/test_tls::test_http_and_flight"),
    "tls-minimum-version": Case("tls-1.3", "engine/server/test_tls::test_the_oldest_version"),
    "tcp-listener-file-path": Case("f", "engine/server/test_listener::test_the_address_is_written_as_a_whole"),
    "plugin-dir": Case("/p", lambda s: configuration.hosts(s, {}).host.plugin_dir, Path("/p")),
    "virtual-env-location": Case("/v", lambda s: configuration.hosts(s, {}).host.virtual_env, Path("/v")),
    "package-manager": Case("uv", "engine/plugins/test_environment::test_uv_makes_and_fills_an_environment_too"),
    "disable-package-management": Case("true", lambda s: s.package_manager, "disabled"),
    "plugin-repo": Case(
        "file:///srv/",
        "integration/server/test_plugin_files::test_a_plugin_of_a_repository_survives_without_it",
    ),
    "plugin-isolation": Case("trigger", lambda s: configuration.limit_defaults(s).isolation, Isolation.TRIGGER),
    "plugin-timeout": Case("3s", lambda s: configuration.limit_defaults(s).limits.timeout_s, 3.0),
    "plugin-max-memory": Case("512mb", lambda s: configuration.limit_defaults(s).limits.max_memory_bytes, 512 * MB),
    "plugin-max-cpu": Case("3s", lambda s: configuration.limit_defaults(s).limits.max_cpu_s, 3.0),
    "plugin-max-rows-per-run": Case("3", lambda s: configuration.limit_defaults(s).limits.max_rows_per_run, 3),
    "plugin-freeze-timeout": Case("3s", lambda s: configuration.hosts(s, {}).freeze_timeout_s, 3.0),
    "plugin-cache-size": Case(
        "9mb", "integration/test_cache_state::test_a_cache_within_its_limit_tells_what_had_to_go"
    ),
    "async-trigger-concurrency-limit": Case(
        "2", "integration/test_delivery::test_there_are_never_more_ranges_than_runs_side_by_side"
    ),
    "restrict-plugin-triggers-to": Case(
        "schedule", "integration/server/test_definitions::test_kinds_of_triggers_can_be_refused"
    ),
    "last-cache-eviction-interval": Case("3s", lambda s: configuration.caches(s).last_evict_s, 3.0),
    "last-cache-max-rows": Case("3", lambda s: configuration.caches(s).most_rows, 3),
    "distinct-cache-eviction-interval": Case("3s", lambda s: configuration.caches(s).distinct_evict_s, 3.0),
    "wal-flush-interval": Case("3s", lambda s: configuration.wal(s).lazy_ns, 3 * SECOND_NS),
    "wal-segment-size": Case("1mb", lambda s: configuration.wal(s).segment_bytes, MB),
    "wal-max-buffered-writes": Case("3", lambda s: configuration.admission(s).most_writes, 3),
    "wal-max-buffered-size": Case("3mb", lambda s: configuration.admission(s).most_bytes, 3 * MB),
    "parser-processes": Case("3", lambda s: s.parser_processes, 3),
    "compact-in-server": Case("true", lambda s: s.compact_in_server, True),
    "min-free-space": Case("3mb", "integration/server/test_back_pressure::test_too_little_free_space_is_told_and_ends"),
    "wal-retention-size": Case("3mb", lambda s: configuration.maintenance(s).retention.most_bytes, 3 * MB),
    "wal-retention-age": Case("3s", lambda s: configuration.maintenance(s).retention.most_age_ns, 3 * SECOND_NS),
    "internal-retention-age": Case("3s", lambda s: store(s).bounds.most_age_ns, 3 * SECOND_NS),
    "internal-retention-size": Case("3mb", lambda s: store(s).bounds.most_bytes, 3 * MB),
    "dead-letter-retention-age": Case(
        "3s", lambda s: [r.most_age_ns for r in store(s).bounds.apart.values()], [3 * SECOND_NS]
    ),
    "dead-letter-retention-size": Case(
        "3mb", lambda s: [r.most_bytes for r in store(s).bounds.apart.values()], [3 * MB]
    ),
    "retention-check-interval": Case("3s", lambda s: configuration.maintenance(s).expiry_check_ns, 3 * SECOND_NS),
    "hard-delete-default-duration": Case("3s", lambda s: configuration.tables(s).hard_delete_default_ns, 3 * SECOND_NS),
    "delete-grace-period": Case(
        "3s", "integration/test_deletion::test_hard_deletion_gives_the_space_back_and_later_the_name"
    ),
    "force-snapshot-mem-size": Case("3mb", lambda s: configuration.maintenance(s).buffer_bytes, 3 * MB),
    "gen1-duration": Case("1m", lambda s: store(s).window_ns, 60 * SECOND_NS),
    "exec-mem-pool-size": Case("300mb", lambda s: configuration.queries(s).memory_bytes, 300 * MB),
    "query-memory-limit": Case("30mb", lambda s: configuration.queries(s).memory_per_query_bytes, 30 * MB),
    "max-concurrent-queries": Case("3", lambda s: configuration.queries(s).most_at_once, 3),
    "query-file-limit": Case("3", lambda s: configuration.queries(s).most_files, 3),
    "num-datafusion-threads": Case("3", lambda s: configuration.queries(s).threads, 3),
    "datafusion-config": Case(
        "datafusion.execution.batch_size:4096",
        lambda s: configuration.queries(s).options,
        {"datafusion.execution.batch_size": "4096"},
    ),
    "query-log-size": Case("3", "engine/query/test_log::test_the_last_ones_are_kept_each_for_its_database"),
    "query-timeout": Case("3s", lambda s: configuration.queries(s).timeout_s, 3.0),
    "log-filter": Case("warn", "engine/server/test_logs::test_the_filter_says_what_is_shown_and_the_destination_where"),
    "verbose": Case("2", "e2e/test_configured::test_telemetry_is_told_with_two_v"),
    "disable-log-filter-noise-reduction": Case(
        "true", "engine/model/test_log_filter::test_of_libraries_only_trouble_is_shown"
    ),
    "log-format": Case("json", "e2e/test_configured::test_a_server_of_a_file_says_what_it_does"),
    "log-destination": Case(
        "stderr", "engine/server/test_logs::test_the_filter_says_what_is_shown_and_the_destination_where"
    ),
    "bucket": s3("b", lambda c: c.bucket, "b"),
    "aws-access-key-id": s3("k", lambda c: c.config["access_key_id"], "k"),
    "aws-secret-access-key": s3("k", lambda c: c.config["secret_access_key"], "k"),
    "aws-session-token": s3("k", lambda c: c.config["session_token"], "k"),
    "aws-credentials-file": Case("k.json", "engine/test_configuration_objects::test_keys_from_a_file_are_read_again"),
    "aws-default-region": s3("eu-west-1", lambda c: c.config["region"], "eu-west-1"),
    "aws-endpoint": s3("http://s3.example/", lambda c: c.config["endpoint"], "http://s3.example"),
    "aws-allow-http": s3("true", lambda c: c.client["allow_http"], True),
    "aws-skip-signature": s3("true", lambda c: c.config["skip_signature"], True),
    "google-service-account": Case(
        "/a.json",
        cloud(lambda c: c.config["service_account"]),
        "/a.json",
        (("object-store", "google"), ("bucket", "b")),
    ),
    "azure-storage-account": azure("a", lambda c: c.config["account_name"], "a"),
    "azure-storage-access-key": azure("k", lambda c: c.config["account_key"], "k"),
    "azure-endpoint": azure("http://a.example", lambda c: c.config["endpoint"], "http://a.example"),
    "azure-allow-http": azure("true", lambda c: c.client["allow_http"], True),
    "object-store-connection-limit": s3("3", lambda c: c.connections, 3),
    "object-store-http2-only": s3("true", lambda c: c.client["http2_only"], True),
    "object-store-http2-max-frame-size": s3("20000", lambda c: c.client["http2_max_frame_size"], "20000"),
    "object-store-request-timeout": s3("3s", lambda c: c.request_timeout_s, 3.0),
    "object-store-max-retries": s3("3", lambda c: c.max_retries, 3),
    "object-store-retry-timeout": s3("3s", lambda c: c.retry_timeout_s, 3.0),
    "object-store-tls-allow-insecure": s3("true", lambda c: c.client["allow_invalid_certificates"], True),
    "object-store-tls-ca": Case("ca.pem", "engine/test_configuration_objects::test_http2"),
    "object-store-cache-size": Case("3mb", lambda s: remote(s).cache_bytes, 3 * MB),
    "object-store-lease-duration": Case("3s", lambda s: remote(s).lease_s, 3.0),
    "object-store-take-over": Case("true", lambda s: remote(s).take_over, True),
    "shutdown-timeout": Case("3s", "e2e/test_serve::test_a_plugin_that_does_not_end_does_not_hold_the_end_up"),
}


def resolve(name: str, way: str) -> Settings:
    """Return the settings where the case of ``name`` is given in one ``way``: option, file, or name of a variable."""
    case = CASES[name]
    text = case.text
    beside = {key: value for key, value in case.beside if key != name}
    setting = next(setting for setting in SETTINGS if setting.name == name)
    if way == "option":
        return Settings.resolve({**beside, name: text}, ENVIRON)
    if way == "file":
        return Settings.resolve(beside, ENVIRON, parse_config(f"{name} = '{text}'", FILE))
    assert way in setting.environment
    return Settings.resolve(beside, {**ENVIRON, way: text})
