from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from engine.config_file import ConfigFile, parse_config
from engine.errors import InvalidRequest
from engine.inert_settings import FULFILLED_SETTINGS, INERT_SETTINGS
from engine.model.bind import Bind
from engine.model.log_filter import parse_log_filter
from engine.setting import machine_memory_bytes
from engine.settings import SETTINGS, NodeIdMissing, Settings

NAMES = [setting.name for setting in SETTINGS]
FILE = Path("x.conf")
MB = 1024**2


def resolve(**sources) -> Settings:
    file = ConfigFile(FILE, sources["file"]) if "file" in sources else None
    return Settings.resolve(sources.get("options", {}), sources.get("environ", {}), file)


def refusal(**sources) -> str:
    with pytest.raises(InvalidRequest) as refused:
        resolve(**sources)
    return str(refused.value)


def test_every_row_is_an_attribute_and_every_attribute_a_row():
    assert [setting.attribute for setting in SETTINGS] == [field.name for field in fields(Settings)][:-1]
    rows = (*SETTINGS, *INERT_SETTINGS, *FULFILLED_SETTINGS)
    names = [name for setting in rows for name in (setting.name, *setting.other_names)]
    assert len(names) == len(set(names))
    variables = [name for setting in rows for name in setting.environment]
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
            "invalid value 's4' for object-store in x.conf: expected one of file, memory, s3, google, azure",
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
            {"file": {"plugin-dirr": "x"}},
            "unknown setting: plugin-dirr in x.conf (did you mean plugin-dir?)",
            id="unknown",
        ),
        pytest.param(
            {"file": {"node-id": "a", "host-id": "b"}},
            "host-id in x.conf and node-id in x.conf say the same; give one of them",
            id="two names of one row",
        ),
        pytest.param(
            {"file": {"plugin-dir": {"a": 1}}},
            "invalid value for plugin-dir in x.conf: expected text, a number or a boolean",
            id="a table in the file",
        ),
        pytest.param(
            {"environ": {"INFLUXDB3_PLUGIN_DIR": ""}},
            "INFLUXDB3_PLUGIN_DIR is an empty string, which is no value: leave it out or unset it; "
            "then the Processing engine is off",
            id="an empty variable does not turn plugins off in silence",
        ),
        pytest.param(
            {"options": {"plugin-dir": " "}},
            "--plugin-dir is an empty string, which is no value: leave it out or unset it; then the Processing engine is off",
            id="nor does an empty option",
        ),
        pytest.param(
            {"environ": {"INFLUXDB3_NODE_ID": ""}},
            "INFLUXDB3_NODE_ID is an empty string, which is no value: leave it out or unset it; then node0 holds",
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


@pytest.mark.parametrize(
    ("file", "attribute", "expected"),
    [
        ({"db-dir": "/d"}, "data_dir", Path("/d")),
        ({"start-without-auth": True}, "without_auth", True),
        ({"node-identifier-prefix": "n1"}, "node_id", "n1"),
        ({"http-bind-addr": "127.0.0.1:1"}, "http_bind", Bind("127.0.0.1", 1)),
        ({"virtual-env": "/v"}, "virtual_env_location", Path("/v")),
        ({"aws_default_region": "eu-west-1"}, "aws_default_region", "eu-west-1"),
        ({"restrict-plugin-triggers-to": ["wal", "request"]}, "restrict_plugin_triggers_to", {"wal", "request"}),
        ({"verbose": 2}, "verbose", 2),
    ],
)
def test_keys_of_a_file_are_names_of_options_or_variables(file, attribute, expected):
    assert getattr(resolve(file=file), attribute) == expected


def test_a_file_is_read_where_an_option_or_a_variable_says(tmp_path):
    files = [tmp_path / "a.conf", tmp_path / "b.conf"]
    for path in files:
        path.write_text(f'node-id="{path.stem}"\n')
    environ = {"INFLUXDB3_CONFIG": str(files[0])}
    assert Settings.load({"config": str(files[1])}, environ).node_id == "b"
    assert (Settings.load({}, environ).node_id, Settings.load({}, environ).config) == ("a", files[0])
    assert Settings.load({"node_id": "c"}, environ).node_id == "c"


def test_a_file_cannot_name_another_one():
    assert refusal(file={"config": "y"}) == "config in x.conf: a configuration file cannot name another one"


@pytest.mark.parametrize("variable", ["INFLUXDB3_NODE_ID_FROM_ENV", "INFLUXDB3_NODE_IDENTIFIER_FROM_ENV"])
def test_the_node_s_name_may_come_from_a_variable(variable):
    assert resolve(environ={variable: "POD", "POD": "pod-1"}).node_id == "pod-1"
    assert resolve(options={"node-id-from-env": "POD"}, environ={"POD": "pod-1"}).node_id == "pod-1"


def test_the_node_s_name_cannot_be_given_twice_nor_be_missing():
    both = refusal(options={"node-id": "n", "node-id-from-env": "POD"}, environ={"POD": "p"})
    assert both == "--node-id-from-env and --node-id exclude each other; give one of them"
    bad = refusal(options={"node-id-from-env": "POD"}, environ={"POD": "a/b"})
    assert bad.startswith("invalid value 'a/b' for POD, which --node-id-from-env names: ")
    with pytest.raises(NodeIdMissing, match=r"^Must set INFLUXDB3_NODE_IDENTIFIER_PREFIX=POD to a valid env var value"):
        resolve(options={"node-id-from-env": "POD"}, environ={"POD": ""})


@pytest.mark.parametrize(
    ("lines", "environ", "plugin_dir"),
    [
        pytest.param(
            'plugin-dir="/var/lib/influxdb3/plugins"', {}, Path("/var/lib/influxdb3/plugins"), id="packages: on"
        ),
        pytest.param('# plugin-dir="/var/lib/influxdb3/plugins"', {}, None, id="packages: the line begins with #"),
        pytest.param("", {}, None, id="packages: the line is not there"),
        pytest.param("", {"INFLUXDB3_PLUGIN_DIR": "/plugins"}, Path("/plugins"), id="containers: on"),
        pytest.param("", {"OTHER": ""}, None, id="containers: the variable is not there"),
    ],
)
def test_plugins_are_on_or_off_as_the_documentation_of_the_product_says(lines, environ, plugin_dir):
    """Seeds 002 and 004."""
    assert Settings.resolve({}, environ, parse_config(lines, FILE)).plugin_dir == plugin_dir


def test_an_empty_text_does_not_switch_plugins_off():
    """Seeds 002 and 004."""
    for sources in ({"file": {"plugin-dir": ""}}, {"environ": {"INFLUXDB3_PLUGIN_DIR": ""}}):
        assert "is an empty string, which is no value: leave it out or unset it" in refusal(**sources)


@pytest.mark.parametrize("mode", ["process", "all,process"])
def test_a_node_for_plugins_needs_their_folder(mode):
    assert resolve(options={"mode": mode, "plugin-dir": "/p"}).plugin_dir == Path("/p")
    assert refusal(environ={"INFLUXDB3_MODE": mode}) == (
        "INFLUXDB3_MODE says process, which needs --plugin-dir: without it the Processing engine is off"
    )


@pytest.mark.parametrize(
    ("sources", "notes"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {"options": {"traces-exporter": "jaeger"}, "environ": {"INFLUXDB3_NUM_IO_THREADS": "2"}},
            ["taken, but without effect here: INFLUXDB3_NUM_IO_THREADS, --traces-exporter"],
            id="options without effect, in one line",
        ),
        pytest.param(
            {"file": {"wal-files-per-snapshot": 3}},
            ["taken, but without effect here: wal-files-per-snapshot in x.conf"],
            id="also in a file",
        ),
        pytest.param({"options": {"disable-telemetry-upload": True}}, [], id="what holds anyway"),
        pytest.param({"options": {"mode": "all"}}, [], id="mode all"),
        pytest.param(
            {"options": {"mode": "ingest,query,compact,process", "plugin-dir": "/p"}}, [], id="mode of everything"
        ),
        pytest.param(
            {"options": {"mode": "Query,ingest"}},
            ["--mode: one server does everything here, so compact, process are not switched off"],
            id="mode of a part",
        ),
        pytest.param(
            {"options": {"object-store": "memory"}, "environ": {"INFLUXDB3_DB_DIR": "/d"}},
            ["INFLUXDB3_DB_DIR is not used: object store memory keeps all data in a private folder"],
            id="a folder that is not used",
        ),
        pytest.param(
            {"environ": {"LOG_FILTER": "warn"}},
            ["environment variable LOG_FILTER is deprecated, use INFLUXDB3_LOG_FILTER instead"],
            id="an old variable",
        ),
        pytest.param(
            {"environ": {"LOG_FILTER": "warn", "INFLUXDB3_LOG_FILTER": "info"}},
            [
                "both LOG_FILTER and INFLUXDB3_LOG_FILTER are set; using INFLUXDB3_LOG_FILTER, as LOG_FILTER is deprecated"
            ],
            id="old and new variable",
        ),
        pytest.param({"environ": {"INFLUXDB3_LOG_FILTER": "info"}}, [], id="a new variable"),
    ],
)
def test_what_does_not_do_what_it_seems_to_is_told(sources, notes):
    assert list(resolve(**sources).notes) == notes


def test_a_cluster_is_refused():
    text = refusal(options={"cluster-id": "c1"})
    assert text.startswith(
        "invalid value 'c1' for --cluster-id: You've incorrectly specified a cluster-id for InfluxDB 3 Core"
    )
    assert text.endswith("Remove --cluster-id to run InfluxDB 3 Core OSS.")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("num-io-threads", "0"),
        ("io-runtime-type", "x"),
        ("io-runtime-thread-keep-alive", "soon"),
        ("snapshot-concurrency-limit", "0"),
        ("parquet-mem-cache-prune-percentage", "1.5"),
        ("parquet-mem-cache-size", "101%"),
        ("tokio-console-enabled", "yes"),
        ("disable-telemetry-upload", "1"),
    ],
)
def test_options_without_effect_are_read_all_the_same(name, text):
    assert refusal(options={name: text}).startswith(f"invalid value '{text}' for --{name}: ")
