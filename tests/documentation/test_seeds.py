"""Every code block of the guide that the project fulfils, run as it is written.

Commands run in bash with the real ``influxdb3`` against a real server; plugins, and fragments of plugins, as triggers.
Put in are: a path, a kind of object store, the server's address, and a database of its own for each block. What the
commands need that is not ours, and what stands for it here:

- ``git clone`` of the public repository of plugins: a copy of ``tests/documentation/repository``;
- ``gh:`` takes plugins from there too, by ``--plugin-repo`` and a ``file://`` URL;
- ``install package pandas``: a small package of that name, in a folder that pip is told to look into;
- ``curl``, where the machine has none: a script of that name;
- ``docker exec … CONTAINER_NAME``: the command that would run in the container, without Docker.

A trigger that fires every few minutes is created as it is written; then, in another database, so that it fires each second.
"""

import json
import shlex
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.seed_server import REPOSITORY, SeedServer, seed_server
from tests.support.seeds import Block, code_blocks, kept_blocks, original

pytestmark = pytest.mark.process

BLOCKS = {block.number: block for block in kept_blocks()}
REQUEST = "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
SPECS = "SELECT trigger_name, trigger_specification, error_behavior FROM system.processing_engine_triggers"

_covered: set[int] = set()
_Test = TypeVar("_Test", bound=Callable[..., object])


def covers(*numbers: int) -> Callable[[_Test], _Test]:
    """Note that a test runs these blocks."""
    _covered.update(numbers)
    return lambda test: test


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeedServer]:
    """The server that the document's first command starts."""
    folder = tmp_path_factory.mktemp("seeds")
    packages = _package_folder(folder / "packages")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PIP_NO_INDEX", "1")
        environment.setenv("PIP_FIND_LINKS", str(packages))
        with seed_server(folder, _serve_options(BLOCKS[1])) as running:
            yield running


@pytest.fixture
def database(server: SeedServer) -> Iterator[str]:
    """A fresh database."""
    name = server.new_database()
    yield name
    server.delete_database(name)


def commands(number: int, database: str = "", **put_in: str) -> str:
    """Return the commands of a block with real values put in."""
    text = BLOCKS[number].text.replace("my_database", database)
    for old, new in put_in.items():
        text = text.replace(old, new)
    return text


def each_second(text: str) -> str:
    """Return commands whose schedules fire each second."""
    for spec in ("every:1m", "every:5m", "every:1h"):
        text = text.replace(spec, "every:1s")
    return text.replace("cron:0 8 * * *", "cron:* * * * * *")


def now_ns(*, minutes_ago: float = 0) -> int:
    return time.time_ns() - round(minutes_ago * 60e9)


# ---- the blocks are those of the document, and none is forgotten


def test_the_kept_blocks_are_those_of_the_document() -> None:
    document = original()
    if document is None:
        pytest.skip("the document is not at hand; SEEDS_FOLDER may name its folder")
    assert kept_blocks() == code_blocks(document)
    assert len(BLOCKS) * 2 == document.count("```")


def test_no_block_is_forgotten() -> None:
    assert sorted(_covered) == sorted(BLOCKS)


# ---- commands


def _serve_options(block: Block) -> list[str]:
    words = shlex.split(block.text.replace("\\\n", " "))
    assert words[:2] == ["influxdb3", "serve"]
    put_in = {"[OBJECT_STORE_TYPE]": "file", "/path/to/plugins": "{plugins}"}
    return [put_in.get(word, word) for word in words[2:]]


@covers(1)
def test_the_server_starts(server: SeedServer) -> None:
    assert (server.work.parent / "data" / "node0" / "catalog.toml").exists()


@covers(2)
def test_example_plugins_are_copied_and_run(server: SeedServer, database: str) -> None:
    cloned = "https://github.com/influxdata/influxdb3_plugins.git"
    copied = f"cp -r {shlex.quote(str(REPOSITORY))} influxdb3_plugins"
    text = BLOCKS[2].text.replace(f"git clone {cloned}", copied)
    assert cloned not in text
    server.bash(text.replace("/path/to/plugins", shlex.quote(str(server.plugins))))
    server.trigger(database, "all_tables", "wal_plugin.py")
    server.write(database, "home v=1")
    assert server.rows_when(database, "SELECT source_table, row_count FROM write_reports")[0]["source_table"] == "home"


@covers(3, 11)
@pytest.mark.parametrize("number", [3, 11])
def test_a_plugin_comes_from_a_repository(server: SeedServer, database: str, number: int) -> None:
    assert server.bash(commands(number, database)) == "Trigger system_metrics created successfully\n"
    (row,) = server.rows(database, SPECS)
    assert json.loads(row["trigger_specification"]) == {"every": {"duration": {"secs": 60, "nanos": 0}}}
    other = server.new_database()
    server.bash(each_second(commands(number, other)))
    assert server.rows_when(other, "SELECT load1 FROM system_load")[0]["load1"] >= 0
    server.delete_database(other)


@covers(7)
def test_triggers_on_data_writes(server: SeedServer, database: str) -> None:
    said = server.bash(commands(7, database))
    assert said == "".join(f"Trigger {n} created successfully\n" for n in ("sensor_processor", "all_data_processor"))
    server.write(database, "sensor_data,sensor=a,unit=F temperature=68 1\nother v=1 1")
    assert server.rows_when(database, "SELECT sensor, celsius FROM sensor_clean") == [{"sensor": "a", "celsius": 20.0}]
    sql = "SELECT DISTINCT source_table FROM ingest_statistics ORDER BY source_table"
    tables = server.rows_when(database, sql, lambda rows: len(rows) >= 3)
    assert [row["source_table"] for row in tables] == ["other", "sensor_clean", "sensor_data"]


@covers(8)
def test_triggers_on_schedules(server: SeedServer, database: str) -> None:
    said = server.bash(commands(8, database))
    assert said == "".join(f"Trigger {name} created successfully\n" for name in ("regular_check", "daily_report"))
    specs = {r["trigger_name"]: json.loads(r["trigger_specification"]) for r in server.rows(database, SPECS)}
    assert specs["regular_check"] == {"every": {"duration": {"secs": 300, "nanos": 0}}}
    assert specs["daily_report"] == {"schedule": {"schedule": "0 8 * * *"}}
    other = server.new_database()
    server.write(other, f"home,room=a t=21 {now_ns(minutes_ago=24 * 60)}\nhome,room=a t=22 {now_ns()}")
    server.bash(each_second(commands(8, other)))
    fresh = server.rows_when(other, "SELECT series, silent_series FROM freshness WHERE source_table = 'home'")
    assert fresh[0] == {"series": 1, "silent_series": 0}
    report = server.rows_when(other, "SELECT field, mean FROM daily_report WHERE source_table = 'home'")
    assert report == [{"field": "t", "mean": 21.0}]
    server.delete_database(other)


@covers(9, 10)
def test_a_trigger_on_requests_answers_curl(server: SeedServer, database: str) -> None:
    assert server.bash(commands(9, database)) == "Trigger webhook_processor created successfully\n"
    curl = BLOCKS[10].text.replace("http://{{% influxdb/host %}}", server.url)
    assert json.loads(server.bash(curl)) == {"status": "ready", "rows_written": 0}
    body = json.dumps({"table": "alerts", "fields": {"value": 1}})
    posted = server.bash(f"{curl.strip()} -d {shlex.quote(body)}")
    assert json.loads(posted) == {"status": "success", "rows_written": 1}
    assert server.rows(database, "SELECT value FROM alerts") == [{"value": 1.0}]


@covers(12)
def test_arguments_reach_a_plugin(server: SeedServer, database: str) -> None:
    assert server.bash(commands(12, database)) == "Trigger threshold_monitor created successfully\n"
    arguments = "SELECT argument_key, argument_value FROM system.processing_engine_trigger_arguments ORDER BY 1"
    found = {row["argument_key"]: row["argument_value"] for row in server.rows(database, arguments)}
    assert found == {"threshold": "90", "notify_email": "admin@example.com"}
    other = server.new_database()
    server.write(other, f"metrics,host=a value=95 {now_ns(minutes_ago=5)}\nmetrics,host=b value=5 {now_ns()}")
    server.bash(each_second(commands(12, other)))
    alerts = server.rows_when(other, "SELECT series, event, value, notify_email FROM threshold_alerts")
    assert alerts == [{"series": "host=a", "event": "raised", "value": 95.0, "notify_email": "admin@example.com"}]
    server.delete_database(other)


@covers(14)
def test_a_trigger_runs_asynchronously(server: SeedServer, database: str) -> None:
    assert server.bash(commands(14, database)) == "Trigger async_processor created successfully\n"
    server.write(database, "metrics,host=a value=1 1\nmetrics,host=a value=3 2")
    summary = server.rows_when(database, "SELECT host, value_rows, value_sum FROM metrics_summary")
    assert summary == [{"host": "a", "value_rows": 2, "value_sum": 4.0}]


@covers(15)
def test_errors_are_handled_as_a_trigger_says(server: SeedServer, database: str) -> None:
    said = server.bash(commands(15, database))
    assert said == "".join(
        f"Trigger {n} created successfully\n" for n in ("critical_processor", "auto_disable_processor")
    )
    behaviors = {row["trigger_name"]: row["error_behavior"] for row in server.rows(database, SPECS)}
    assert behaviors == {"critical_processor": "retry", "auto_disable_processor": "disable"}
    server.write(database, 'important_data id="tx1",amount=2 1')
    ledger = server.rows_when(database, "SELECT id, sequence FROM important_ledger")
    assert ledger == [{"id": "tx1", "sequence": 1}]
    server.write(database, "important_data amount=2 2")
    letters = "SELECT trigger_name, attempts FROM system.processing_engine_dead_letters"
    assert server.rows_when(database, letters) == [{"trigger_name": "critical_processor", "attempts": 5}]
    assert server.request("webhook", fields={"value": 1}) == {"status": "success", "rows_written": 1}
    assert server.rows(database, "SELECT value FROM webhook") == [{"value": 1.0}]


@pytest.mark.skipif(find_spec("pandas") is not None, reason="what is beside the server comes first, and pandas is")
@covers(28, 29)
@pytest.mark.parametrize("number", [28, 29])
def test_a_package_is_installed_and_the_next_run_has_it(server: SeedServer, database: str, number: int) -> None:
    plugin = server.plugin(f"{REQUEST}    import pandas\n    return [pandas.__file__]\n")
    server.trigger(database, f"request:packages{number}", plugin)
    server.bash(BLOCKS[number].text.replace("docker exec -it CONTAINER_NAME ", ""))
    (place,) = server.request(f"packages{number}")
    assert Path(place).is_relative_to(server.plugins / ".venv")


def _package_folder(folder: Path) -> Path:
    """Make a folder with a package that is called pandas and holds nothing."""
    folder.mkdir()
    about = "pandas-0.0.1.dist-info"
    with zipfile.ZipFile(folder / "pandas-0.0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pandas.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: pandas\nVersion: 0.0.1\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", f"pandas.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return folder


# ---- whole plugins


@covers(4)
def test_a_plugin_for_data_writes(server: SeedServer, database: str) -> None:
    server.trigger(database, "table:home", server.plugin(BLOCKS[4].text))
    server.write(database, "home,room=a t=1 1\nhome,room=b t=2 1\nother v=1 1")
    rows = server.rows_when(database, "SELECT source_table, row_count FROM processed_data")
    assert rows == [{"source_table": "home", "row_count": 2}]
    server.logged(database, "INFO Processing 2 rows from home")


@covers(5)
def test_a_plugin_for_scheduled_events(server: SeedServer, database: str) -> None:
    server.write(database, f"metrics value=1 {now_ns(minutes_ago=120)}")
    server.trigger(database, "every:1s", server.plugin(BLOCKS[5].text))
    server.logged(database, "WARN No recent metrics found")
    server.write(database, f"metrics value=1 {now_ns(minutes_ago=2)}\nmetrics value=2 {now_ns(minutes_ago=1)}")
    server.logged(database, "INFO Found 2 recent metrics")


@covers(6)
def test_a_plugin_for_requests(server: SeedServer, database: str) -> None:
    server.trigger(database, "request:six", server.plugin(BLOCKS[6].text))
    assert server.request("six?room=a", level=3) == {"status": "success", "message": "Request processed"}
    server.logged(database, "INFO Received request with parameters: {'room': 'a'}", "INFO Request data: {'level': 3}")


@covers(13)
def test_a_plugin_with_arguments(server: SeedServer, database: str) -> None:
    plugin = server.plugin(BLOCKS[13].text)
    server.trigger(database, "every:1s", plugin, "--trigger-arguments", "threshold=90,notify_email=admin@example.com")
    server.logged(database, "INFO Checking threshold 90.0, will notify admin@example.com")


@covers(17)
def test_the_line_builder_of_the_document_writes_lines(server: SeedServer, database: str) -> None:
    body = """
    line = LineBuilder("weather").tag("location", "us-midwest").float64_field("temperature", 82.5)
    line.int64_field("i", 1).uint64_field("u", 2).bool_field("b", True).string_field("s", "text").time_ns(7)
    influxdb3_local.write(line)
    return [line.build()]
"""
    server.trigger(database, "request:seventeen", server.plugin(f"{BLOCKS[17].text}\n\n{REQUEST}{body}"))
    line = 'weather,location=us-midwest temperature=82.5,i=1i,u=2u,b=t,s="text" 7'
    assert server.request("seventeen") == [line]
    (row,) = server.rows(database, "SELECT * FROM weather")
    values = {"location": "us-midwest", "temperature": 82.5, "i": 1, "u": 2, "b": True, "s": "text"}
    assert row == values | {"time": "1970-01-01T00:00:00.000000007"}


# ---- fragments of plugins, each as the body of one


@dataclass(frozen=True)
class Fragment:
    """A block that is part of a plugin.

    Attributes:
        before: what the document leaves out: the names that the fragment uses.
        result: expressions, the values of which the plugin answers.
        answers: what it answers to one request after the other.
        logged: what it logs.
        rows: a query and what it gives afterwards.
        put_in: what stands in the place of a placeholder.
    """

    number: int
    result: str
    answers: tuple[list[Any], ...]
    before: str = ""
    logged: tuple[str, ...] = ()
    rows: tuple[str, list[dict[str, Any]]] | None = None
    put_in: tuple[str, str] | None = None

    @property
    def plugin(self) -> str:
        text = BLOCKS[self.number].text
        if self.put_in:
            assert self.put_in[0] in text
            text = text.replace(*self.put_in)
        return REQUEST + textwrap.indent(f"{self.before}\n{text}\nreturn [{self.result}]\n", "    ")


def _cached(key: str) -> str:
    return f"influxdb3_local.cache.get({key!r})"


WEATHER = [{"location": "us-midwest", "temperature": 82.5, "time": "2021-07-30T21:20:00"}]
LOG = (
    "INFO Starting data processing",
    "WARN Could not process some records",
    "ERROR Failed to connect to external API",
    "INFO Processing complete {'records': 157, 'errors': 3}",
)
LOOKUP = "def load_lookup_data():\n    influxdb3_local.info('loaded')\n    return {'a': 1}\n"
LOADED = "SELECT count(*) AS n FROM system.processing_engine_logs WHERE log_text = 'loaded'"
USE = ("METHOD(PARAMETERS)", 'put("used", 1, ttl=60)'), ("METHOD(PARAMETERS)", 'get("used", default=2)')
DELETE = ("METHOD(PARAMETERS)", 'delete("used")')
FRAGMENTS = [
    pytest.param(
        Fragment(16, "", ([],), rows=("SELECT location, temperature, time FROM weather", WEATHER)), id="16-write"
    ),
    pytest.param(Fragment(19, "", ([],), logged=LOG), id="19-log"),
    pytest.param(Fragment(20, _cached("used"), ([1],), put_in=USE[0]), id="20-cache-put"),
    pytest.param(Fragment(20, _cached("used"), ([None],), put_in=USE[1]), id="20-cache-get"),
    pytest.param(
        Fragment(20, _cached("used"), ([None],), "influxdb3_local.cache.put('used', 1)", put_in=DELETE),
        id="20-cache-delete",
    ),
    pytest.param(
        Fragment(
            21,
            f"last_time <= time.time(), last_time > 0, {_cached('temporary_data')}",
            ([True, True, None],),
            "import time\ninfluxdb3_local.cache.put('temporary_data', 1)",
        ),
        id="21-store-and-retrieve",
    ),
    pytest.param(Fragment(22, _cached("api_response"), ([{"a": 1}],), "response_data = {'a': 1}"), id="22-expiration"),
    pytest.param(
        Fragment(24, "counter", ([1], [2], [3]), logged=("INFO This plugin has run 3 times",)), id="24-track-state"
    ),
    pytest.param(Fragment(25, _cached("weather_data"), ([[21]],), "api_response = [21]"), id="25-ttl"),
    pytest.param(
        Fragment(26, _cached("daily_stats"), ([6],), "data = [1, 2, 3]\ncalculate_statistics = sum"), id="26-results"
    ),
    pytest.param(
        Fragment(27, _cached("lookup_table"), ([{"a": 1}], [{"a": 1}]), LOOKUP, ("INFO loaded",), (LOADED, [{"n": 1}])),
        id="27-warm",
    ),
]


@covers(16, 19, 20, 21, 22, 24, 25, 26, 27)
@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_fragment_works_in_a_plugin(server: SeedServer, database: str, fragment: Fragment) -> None:
    path = f"fragment{fragment.number}"
    server.trigger(database, f"request:{path}", server.plugin(fragment.plugin))
    for answer in fragment.answers:
        assert server.request(path) == answer
    server.logged(database, *fragment.logged)
    if fragment.rows:
        assert server.rows(database, fragment.rows[0]) == fragment.rows[1]


@covers(18)
@pytest.mark.parametrize(
    ("parts", "values"), [pytest.param(1, [50.0, 95.0], id="simple"), pytest.param(2, [95.0], id="all")]
)
def test_queries_give_rows(server: SeedServer, database: str, parts: int, values: list[float]) -> None:
    """The first query alone, then the block as a whole, which ends with the one with parameters."""
    text = "\n\n".join(BLOCKS[18].text.split("\n\n")[:parts])
    body = textwrap.indent(f"{text}\nreturn sorted(row['value'] for row in results)\n", "    ")
    server.trigger(database, "request:eighteen", server.plugin(REQUEST + body))
    server.write(database, f"metrics value=50 {now_ns(minutes_ago=2)}\nmetrics value=95 {now_ns(minutes_ago=1)}")
    assert server.request("eighteen") == values


@covers(23)
def test_plugins_share_data(server: SeedServer, database: str) -> None:
    stored = Fragment(23, "config", ())
    server.trigger(database, "request:shares", server.plugin(stored.plugin))
    assert server.request("shares") == [{"version": "1.0"}]
    other = server.new_database()
    retrieved = BLOCKS[23].text.partition("\n\n")[2]
    body = textwrap.indent(f"{retrieved}\nreturn [config]\n", "    ")
    server.trigger(other, "request:shared", server.plugin(REQUEST + body))
    assert server.request("shared") == [{"version": "1.0"}]
    server.delete_database(other)
