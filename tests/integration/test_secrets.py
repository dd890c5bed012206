from pathlib import Path

import pytest

from engine.errors import PluginFailed
from tests.support.engines import create_trigger, open_engine, query, request, rows_when, runs_when, write

SECRET = "hunter2-and-more"

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("the key is", args["key"])
    influxdb3_local.write(LineBuilder("out").string_field("key", args["key"]))
    for batch in table_batches:
        for row in batch["rows"]:
            if row["v"] > 1:
                raise ValueError("cannot log in with " + args["key"])
            if row["v"] == 1:
                influxdb3_local.write(LineBuilder("cpu").string_field("v", args["key"]))


def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    if query_parameters or request_body:
        return {"key": args["key"]}
    raise ValueError("cannot log in with " + args["key"])
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "p.py").write_text(PLUGIN)
    (folder / "key").write_text(SECRET + "\n")
    return folder


def test_a_secret_is_nowhere_but_in_the_plugin(tmp_path: Path, plugins: Path) -> None:
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        create_trigger(engine, "db", "t", "table:cpu", "p.py", arguments={"key": "file:key"}, error_behavior="retry")
        write(engine, "db", "cpu v=0")
        assert rows_when(engine, "db", "SELECT key FROM out") == [{"key": SECRET}]
        write(engine, "db", "cpu v=2")
        rows_when(engine, "db", "SELECT error FROM system.processing_engine_dead_letters")
        shown: list[dict[str, object]] = []
        for columns, table in (
            ("*", "trigger_arguments"),
            ("*", "triggers"),
            ("log_text, error_details", "logs"),
            ("error, traceback", "runs"),
            ("error, traceback, input", "dead_letters"),
        ):
            shown += query(engine, "db", f"SELECT {columns} FROM system.processing_engine_{table}")
        assert SECRET not in str(shown)
        assert "cannot log in with ***" in str(shown)
        assert {"trigger_name": "t", "argument_key": "key", "argument_value": "file:key"} in shown
        assert SECRET not in engine.paths.catalog.read_text()
        assert "file:key" in engine.paths.catalog.read_text()


def test_a_line_that_is_refused_is_told_without_the_secret(
    tmp_path: Path, plugins: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        create_trigger(engine, "db", "t", "table:cpu", "p.py", arguments={"key": "file:key"})
        write(engine, "db", "cpu v=1")
        sql = "SELECT log_text FROM system.processing_engine_logs WHERE log_text LIKE '%writing back%'"
        (told,) = rows_when(engine, "db", sql)
        assert SECRET not in told["log_text"]
    assert SECRET not in caplog.text


def test_a_changed_file_counts_from_the_next_run_on(tmp_path: Path, plugins: Path) -> None:
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        create_trigger(engine, "db", "t", "table:cpu", "p.py", arguments={"key": "file:key"})
        write(engine, "db", "cpu v=0")
        rows_when(engine, "db", "SELECT key FROM out")
        (plugins / "key").write_text("renewed")
        write(engine, "db", "cpu v=0")
        keys = rows_when(engine, "db", "SELECT key FROM out ORDER BY time", 2)
        assert [row["key"] for row in keys] == [SECRET, "renewed"]


def test_an_answer_with_an_error_has_no_secret(tmp_path: Path, plugins: Path) -> None:
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        create_trigger(engine, "db", "t", "request:login", "p.py", arguments={"key": "file:key"})
        with pytest.raises(PluginFailed, match=r"cannot log in with \*\*\*"):
            request(engine, "login")
        assert SECRET in request(engine, "login", b"x").body.decode()


def test_a_dry_run_shows_no_secret_in_its_logs_and_errors(tmp_path: Path, plugins: Path) -> None:
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        engine.tables.create_database("db")
        answer = engine.test_wal("p.py", "db", "cpu v=2", None, {"key": "file:key"})
        assert "INFO: the key is ***" in answer["log_lines"]
        assert "cannot log in with ***" in answer["errors"][0]
        missing = engine.test_wal("p.py", "db", "cpu v=2", None, {"key": "env:NO_SUCH_VARIABLE"})
        assert "env:NO_SUCH_VARIABLE" in missing["errors"][0]


def test_a_run_fails_whose_secret_is_missing_and_its_trigger_is_made_with_a_warning(
    tmp_path: Path, plugins: Path
) -> None:
    with open_engine(tmp_path, plugin_dir=plugins) as engine:
        definition = create_trigger(engine, "db", "t", "table:cpu", "p.py", arguments={"key": "file:none"})
        warnings = engine.update_trigger("db", definition.name, lambda d: d)
        assert [text for text in warnings if "argument 'key' is file:none" in text]
        write(engine, "db", "cpu v=0")
        (run,) = runs_when(engine, "db", 1)
        assert (run["outcome"], run["rows_in"]) == ("error", 1)
        assert run["error"].startswith("argument 'key' is file:none, which cannot be read: ")
        (plugins / "none").write_text("here now")
        write(engine, "db", "cpu v=0")
        assert rows_when(engine, "db", "SELECT key FROM out") == [{"key": "here now"}]
