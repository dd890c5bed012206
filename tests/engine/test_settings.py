from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from engine.errors import InvalidRequest
from engine.model.bind import Bind
from engine.model.log_filter import parse_log_filter
from engine.setting import machine_memory_bytes
from engine.settings import SETTINGS, Settings

NAMES = [setting.name for setting in SETTINGS]
MB = 1024**2


def resolve(**sources) -> Settings:
    return Settings.resolve(sources.get("options", {}), sources.get("environ", {}), sources.get("file", {}))


def refusal(**sources) -> str:
    with pytest.raises(InvalidRequest) as refused:
        resolve(**sources)
    return str(refused.value)


def test_every_row_is_an_attribute_and_every_attribute_a_row():
    assert [setting.attribute for setting in SETTINGS] == [field.name for field in fields(Settings)]
    names = [name for setting in SETTINGS for name in (setting.name, *setting.other_names)]
    assert len(names) == len(set(names))
    variables = [name for setting in SETTINGS for name in setting.environment]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_every_row_explains_itself(setting):
    assert setting.help.endswith(".")
    assert setting.default is not None or setting.unset


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("node_id", "node0"),
        ("object_store", "file"),
        ("data_dir", Path.home() / ".influxdb"),
        ("http_bind", Bind("127.0.0.1", 8181)),
        ("max_http_request_size_bytes", 10_485_760),
        ("without_auth", False),
        ("tcp_listener_file_path", None),
        ("plugin_dir", None),
        ("virtual_env_location", None),
        ("package_manager", "discover"),
        ("plugin_isolation", "shared"),
        ("plugin_timeout_s", None),
        ("plugin_freeze_timeout_s", 10.0),
        ("restrict_plugin_triggers_to", {"wal", "schedule", "request"}),
        ("wal_flush_interval_s", 0.1),
        ("wal_retention_size_bytes", 10 * 1024**3),
        ("wal_retention_age_s", 7 * 86_400.0),
        ("internal_retention_age_s", 7 * 86_400.0),
        ("internal_retention_size_bytes", 1024**3),
        ("dead_letter_retention_age_s", 30 * 86_400.0),
        ("dead_letter_retention_size_bytes", 1024**3),
        ("gen1_duration_ns", 600 * 10**9),
        ("log_filter", parse_log_filter("info")),
        ("log_format", "full"),
        ("log_destination", "stdout"),
        ("verbose", 0),
        ("shutdown_timeout_s", 30.0),
    ],
)
def test_nothing_has_to_be_given(attribute, expected):
    assert getattr(resolve(), attribute) == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param({"file": {"node-id": "f"}}, "f", id="file before default"),
        pytest.param(
            {"file": {"node-id": "f"}, "environ": {"INFLUXDB3_NODE_ID": "e"}}, "e", id="environment before file"
        ),
        pytest.param(
            {
                "file": {"node-id": "f"},
                "environ": {"INFLUXDB3_NODE_ID": "e"},
                "options": {"node-id": "o"},
            },
            "o",
            id="option before environment",
        ),
        pytest.param(
            {"options": {"node-id": None}, "file": {"node_id": "f"}}, "f", id="an option not given does not count"
        ),
        pytest.param(
            {"environ": {"INFLUXDB3_NODE_IDENTIFIER_PREFIX": "old", "INFLUXDB3_NODE_ID": "new"}},
            "new",
            id="the newer variable counts",
        ),
        pytest.param({"environ": {"INFLUXDB3_NODE_IDENTIFIER_PREFIX": "old"}}, "old", id="the older variable alone"),
        pytest.param({"file": {"host-id": "f"}, "options": {"node_id": "o"}}, "o", id="another name is the same row"),
        pytest.param({"environ": {"NODE_ID": "x"}}, "node0", id="other variables are not ours"),
    ],
)
def test_option_environment_file_default_in_this_order(sources, expected):
    assert resolve(**sources).node_id == expected


@pytest.mark.parametrize(
    ("name", "text", "attribute", "expected"),
    [
        ("object-store", "MEMORY", "object_store", "memory"),
        ("http-bind", "[::1]:0", "http_bind", Bind("::1", 0)),
        ("max-http-request-size", "1mb", "max_http_request_size_bytes", MB),
        ("max-http-request-size", 500, "max_http_request_size_bytes", 500),
        ("without-auth", True, "without_auth", True),
        ("without-auth", "true", "without_auth", True),
        ("plugin-repo", "file:///srv/plugins", "plugin_repo", "file:///srv/plugins"),
        ("plugin-timeout", "1m 30s", "plugin_timeout_s", 90.0),
        ("plugin-timeout", "off", "plugin_timeout_s", None),
        ("async-trigger-concurrency-limit", "2", "async_trigger_concurrency_limit", 2),
        ("restrict-plugin-triggers-to", "wal_flush, request", "restrict_plugin_triggers_to", {"wal", "request"}),
        ("restrict-plugin-triggers-to", ["schedule"], "restrict_plugin_triggers_to", {"schedule"}),
        ("wal-flush-interval", "0s", "wal_flush_interval_s", 0.0),
        ("wal-segment-size", "1 GB", "wal_segment_size_bytes", 1024 * MB),
        ("force-snapshot-mem-size", "70", "force_snapshot_mem_size_bytes", 70 * MB),
        ("force-snapshot-mem-threshold", "70mb", "force_snapshot_mem_size_bytes", 70 * MB),
        ("gen1-duration", "300s", "gen1_duration_ns", 300 * 10**9),
        ("query-memory-limit", "64", "query_memory_limit_bytes", 64 * MB),
        ("query-memory-limit", "off", "query_memory_limit_bytes", None),
        ("max-concurrent-queries", "2305843009213693951", "max_concurrent_queries", 2305843009213693951),
        ("query-file-limit", "432", "query_file_limit", 432),
        ("datafusion-num-threads", "3", "num_datafusion_threads", 3),
        (
            "datafusion-config",
            "datafusion.execution.batch_size:4096, datafusion.execution.time_zone:+02:00",
            "datafusion_config",
            {"datafusion.execution.batch_size": "4096", "datafusion.execution.time_zone": "+02:00"},
        ),
        ("log-filter", "Debug,engine.wal=warn", "log_filter", parse_log_filter("Debug,engine.wal=warn")),
        ("verbose", "2", "log_filter", parse_log_filter("debug")),
        ("log-format", "LOGFMT", "log_format", "logfmt"),
    ],
)
def test_values_are_read_with_their_units(name, text, attribute, expected):
    assert getattr(resolve(options={name: text}), attribute) == expected


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "expected"),
    [
        ("INFLUXDB3_DB_DIR", "/srv/data", "data_dir", Path("/srv/data")),
        ("INFLUXDB3_DATA_DIR", "/srv/data", "data_dir", Path("/srv/data")),
        ("INFLUXDB3_HTTP_BIND_ADDR", "0.0.0.0:1", "http_bind", Bind("0.0.0.0", 1)),
        ("INFLUXDB3_START_WITHOUT_AUTH", "true", "without_auth", True),
        ("INFLUXDB3_WITHOUT_AUTH", "false", "without_auth", False),
        ("INFLUXDB3_TCP_LISTINER_FILE_PATH", "/tmp/a", "tcp_listener_file_path", Path("/tmp/a")),
        ("INFLUXDB3_PLUGIN_DIR", "/plugins", "plugin_dir", Path("/plugins")),
        ("VIRTUAL_ENV", "/venv", "virtual_env_location", Path("/venv")),
        ("LOG_FILTER", "warn", "log_filter", parse_log_filter("warn")),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("LOG_DESTINATION", "stderr", "log_destination", "stderr"),
        ("INFLUXDB3_EXEC_MEM_POOL_BYTES", "90", "exec_mem_pool_size_bytes", 90 * MB),
    ],
)
def test_variables_have_the_names_of_the_product(variable, value, attribute, expected):
    assert getattr(resolve(environ={variable: value}), attribute) == expected


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        pytest.param(
            {"options": {"plugin-timeout": "soon"}},
            "invalid value 'soon' for --plugin-timeout: expected a time such as 10s or 1h 30m: expected number at 0",
            id="an option",
        ),
        pytest.param(
            {"environ": {"INFLUXDB3_WITHOUT_AUTH": "1"}},
            "invalid value '1' for INFLUXDB3_WITHOUT_AUTH: expected exactly true or false",
            id="a variable, booleans are exact",
        ),
        pytest.param(
            {"file": {"object-store": "s4"}},
            "invalid value 's4' for object-store in the configuration file: expected one of file, memory, s3, google, azure",
            id="the file",
        ),
        pytest.param(
            {"options": {"gen1-duration": "2m"}},
            "invalid value '2m' for --gen1-duration: invalid gen1 duration 2m. Must be one of 1m, 5m, 10m",
            id="a fixed set of durations",
        ),
        pytest.param(
            {"options": {"max-concurrent-queries": "0"}},
            "invalid value '0' for --max-concurrent-queries: must be a positive integer, got 0",
            id="no query at all",
        ),
        pytest.param(
            {"options": {"datafusion-config": "a,b"}},
            "invalid value 'a,b' for --datafusion-config: Invalid key value pair - expected 'KEY:VALUE' got 'a,b'",
            id="a pair without colon",
        ),
        pytest.param(
            {"options": {"datafusion-config": "datafusion.catalog.location:/etc"}},
            "invalid value 'datafusion.catalog.location:/etc' for --datafusion-config: 'datafusion.catalog.location' may "
            "not be set: expected datafusion.execution.…, datafusion.optimizer.…, datafusion.explain.… except "
            "datafusion.execution.parquet.schema_force_view_types",
            id="an option of the server",
        ),
        pytest.param(
            {"file": {"plugin-dirr": "x"}}, "unknown setting: plugin-dirr in the configuration file", id="unknown"
        ),
        pytest.param(
            {"file": {"node-id": "a", "host-id": "b"}},
            "host-id in the configuration file and node-id in the configuration file say the same; give one of them",
            id="two names of one row",
        ),
        pytest.param(
            {"file": {"plugin-dir": {"a": 1}}},
            "invalid value for plugin-dir in the configuration file: expected text, a number or a boolean",
            id="a table in the file",
        ),
        pytest.param(
            {"environ": {"INFLUXDB3_PLUGIN_DIR": ""}},
            "INFLUXDB3_PLUGIN_DIR is an empty string, which is no value: leave it out or unset it "
            "(the Processing engine is off)",
            id="an empty variable does not turn plugins off in silence",
        ),
        pytest.param(
            {"options": {"plugin-dir": " "}},
            "--plugin-dir is an empty string, which is no value: leave it out or unset it (the Processing engine is off)",
            id="nor does an empty option",
        ),
        pytest.param(
            {"environ": {"INFLUXDB3_NODE_ID": ""}},
            "INFLUXDB3_NODE_ID is an empty string, which is no value: leave it out or unset it (node0 holds)",
            id="an empty variable",
        ),
    ],
)
def test_a_refusal_quotes_the_value_and_says_where_it_stands(sources, text):
    assert refusal(**sources) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("node-id", "../other"),
        ("node-id", ".hidden"),
        ("node-id", "a" * 201),
        ("data-dir", "~no-such-user-at-all/x"),
        ("http-bind", "8181"),
        ("max-http-request-size", "0"),
        ("max-http-request-size", "10%"),
        ("without-auth", "yes"),
        ("package-manager", "conda"),
        ("plugin-repo", "ftp://x/"),
        ("plugin-repo", "/srv/plugins"),
        ("plugin-isolation", "own"),
        ("plugin-timeout", "0s"),
        ("plugin-max-memory", "1mb"),
        ("plugin-max-cpu", "0s"),
        ("plugin-max-rows-per-run", "0"),
        ("plugin-freeze-timeout", "0s"),
        ("async-trigger-concurrency-limit", "0"),
        ("async-trigger-concurrency-limit", "many"),
        ("restrict-plugin-triggers-to", "wal,cron"),
        ("restrict-plugin-triggers-to", ","),
        ("wal-flush-interval", "100"),
        ("wal-segment-size", "1kb"),
        ("wal-retention-size", "1b"),
        ("wal-retention-age", "none"),
        ("force-snapshot-mem-size", "0"),
        ("exec-mem-pool-size", "101%"),
        ("log-filter", "loud"),
        ("log-format", "xml"),
        ("log-destination", "file"),
        ("verbose", "much"),
        ("shutdown-timeout", "-1s"),
    ],
)
def test_values_out_of_bounds_are_refused(name, text):
    assert refusal(options={name: text}).startswith(f"invalid value '{text}' for --{name}: ")


def test_an_empty_variable_of_others_is_unset():
    assert resolve(environ={"VIRTUAL_ENV": "", "LOG_FILTER": ""}).virtual_env_location is None


def test_plugins_have_their_virtual_environment_in_their_folder():
    assert resolve(options={"plugin-dir": "/p"}).virtual_env_location == Path("/p/.venv")
    assert resolve(options={"plugin-dir": "/p", "virtual-env-location": "/v"}).virtual_env_location == Path("/v")


def test_paths_are_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = resolve(options={"plugin-dir": "plugins", "data-dir": "~/data"})
    assert (settings.plugin_dir, settings.data_dir) == (tmp_path / "plugins", Path("/home/somebody/data"))


def test_a_share_of_memory_is_one_of_what_the_process_may_use():
    assert machine_memory_bytes() > 16 * MB
    assert resolve().exec_mem_pool_size_bytes == machine_memory_bytes() * 20 // 100


def test_settings_for_tests_stay_in_their_folder(tmp_path):
    settings = Settings.for_tests(tmp_path, plugin_dir=tmp_path / "plugins", node_id="n1")
    assert settings.data_dir == tmp_path / "data"
    assert settings.http_bind == Bind("127.0.0.1", 0)
    assert settings.virtual_env_location == tmp_path / "plugins" / ".venv"
    assert (settings.without_auth, settings.node_id) == (True, "n1")


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        resolve().node_id = "other"
