import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.setting import Secret
from engine.system_tables.registry import SYSTEM_TABLES
from tests.support.node import DATABASE, Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.close()


def test_each_table_can_be_read_and_has_the_columns_it_announces(node: Node) -> None:
    node.engine.tables.create_database(DATABASE)
    for table in SYSTEM_TABLES:
        database = "_internal" if table.only_internal else DATABASE
        with node.engine.query(database, f"SELECT * FROM system.{table.name}", {}) as result:
            assert list(result.schema.names) == list(table.schema.names)
            assert sum(batch.num_rows for batch in result.batches) >= 0


def test_triggers_and_their_arguments(node: Node) -> None:  # B10.1, B10.2
    node.trigger("t", "table:cpu", arguments={"a": "1", "b": "2"})
    node.trigger("s", "every:1m", enabled=False, error_behavior="disable")
    assert node.rows("SELECT * FROM system.processing_engine_triggers ORDER BY trigger_name") == [
        {
            "trigger_name": "s",
            "plugin_filename": "p.py",
            "trigger_specification": '{"every":{"duration":{"secs":60,"nanos":0}}}',
            "disabled": True,
            "error_behavior": "disable",
        },
        {
            "trigger_name": "t",
            "plugin_filename": "p.py",
            "trigger_specification": '{"single_table_wal_write":{"table_name":"cpu"}}',
            "disabled": False,
            "error_behavior": "log",
        },
    ]
    arguments = node.rows("SELECT argument_key, argument_value FROM system.processing_engine_trigger_arguments")
    assert {(r["argument_key"], r["argument_value"]) for r in arguments} == {("a", "1"), ("b", "2")}


def test_logs_frame_each_run_and_carry_errors_with_their_traceback(node: Node) -> None:  # B10.6, B9.1
    node.trigger("t", "table:a")
    node.write("a v=1")
    begun = node.executor.next()
    begun.services.log("WARN", "look at this")
    begun.fail("ValueError: no")
    node.advance(1)
    node.settle()
    logs = node.rows("SELECT log_level, log_text, error_details FROM system.processing_engine_logs")
    assert {(r["log_level"], r["log_text"]) for r in logs} == {
        ("INFO", "starting execution of wal plugin."),
        ("WARN", "look at this"),
        ("ERROR", "error executing wal plugin: ValueError: no"),
    }
    assert "Traceback: ValueError: no" in {r.get("error_details") for r in logs}


def test_a_database_sees_only_its_own_logs_and_runs(node: Node) -> None:
    node.trigger("t", "table:a")
    node.engine.tables.create_database("other")
    node.write("a v=1")
    node.executor.next().succeed()
    node.settle()
    for table in ("logs", "runs"):
        sql = f"SELECT count(*) AS n FROM system.processing_engine_{table}"
        assert node.rows(sql, database="other") == [{"n": 0}]
        assert node.rows(sql) == node.rows(sql, database="_internal") != [{"n": 0}]


def test_a_scheduled_run_tells_its_time(node: Node) -> None:  # B4.7
    node.trigger("s", "every:10s")
    node.advance(10)
    node.executor.next().succeed()
    node.settle()
    texts = [r["log_text"] for r in node.rows("SELECT log_text FROM system.processing_engine_logs")]
    assert "starting execution with scheduled time 2023-11-14 22:13:30 UTC" in texts


def test_plugin_files_are_listed_by_trigger(node: Node) -> None:  # B10.3
    sql = "SELECT plugin_name, file_name, size_bytes, last_modified FROM system.plugin_files"
    assert node.rows(sql, database="_internal") == []
    node.trigger("t", "table:a")
    (file,) = node.rows(sql, database="_internal")
    assert (file["plugin_name"], file["file_name"]) == ("t", "p.py")
    assert file["size_bytes"] > 0
    assert file["last_modified"] > 0
    node.engine.delete_trigger(DATABASE, "t", force=True)
    assert node.rows(sql, database="_internal") == []


def test_what_is_stored_is_shown(node: Node) -> None:
    node.write("cpu,host=a usage=1 1")
    node.engine.snapshot()
    (file,) = node.rows("SELECT table_name, row_count, min_time, max_time FROM system.parquet_files")
    assert file == {"table_name": "cpu", "row_count": 1, "min_time": 10**9, "max_time": 10**9}
    columns = node.rows("SELECT key, data_type FROM system.influxdb_schema WHERE measurement = 'cpu'")
    assert {(r["key"], r["data_type"]) for r in columns} == {("host", "tag"), ("usage", "float"), ("time", "time")}
    tables = node.rows("SELECT table_name, series_key_columns FROM system.tables", database="_internal")
    assert {"table_name": "cpu", "series_key_columns": "host"} in tables


def test_logs_survive_a_snapshot_and_a_restart(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().succeed()
    node.settle()
    node.engine.snapshot()
    again = node.restarted()
    (run,) = again.rows("SELECT trigger_name, outcome FROM system.processing_engine_runs")
    assert run == {"trigger_name": "t", "outcome": "success"}
    again.close()


def test_runs_older_than_a_week_go_with_a_snapshot(node: Node) -> None:
    node.trigger("t", "table:a")
    node.write("a v=1")
    node.executor.next().succeed()
    node.settle()
    node.engine.snapshot()
    node.advance(8 * 86_400)
    node.write("a v=2")
    node.executor.next().succeed()
    node.settle()
    node.engine.snapshot()
    assert node.rows("SELECT count(*) AS n FROM system.processing_engine_runs") == [{"n": 1}]
    assert node.rows("SELECT count(*) AS n FROM a") == [{"n": 2}]


def test_trigger_state_tells_how_far_each_trigger_is(node: Node) -> None:
    node.trigger("t", "table:a")
    node.trigger("s", "every:1m")
    node.trigger("off", "table:a", enabled=False)
    node.write("a v=1 1\na v=2 2")
    node.clock.advance(1_500_000_000)
    sql = "SELECT * FROM system.processing_engine_trigger_state ORDER BY trigger_name"
    off, s, t = node.rows(sql)
    assert off == {"trigger_name": "off", "trigger_spec": "table:a", "state": "disabled", "runs": 0, "failures": 0}
    assert s.keys() == {"trigger_name", "trigger_spec", "state", "runs", "failures", "next_due"}
    assert (t["state"], t["lag_rows"], t["lag_records"], t["lag_seconds"]) == ("enabled", 2, 1, 1.5)
    assert (t["missed_rows"], t["finished_ranges"]) == (0, 0)
    assert t["position"] < t["head"]


def test_queries_are_kept_with_their_end_for_their_database(node: Node) -> None:
    node.write("cpu v=1 1")
    node.engine.tables.create_database("other")
    assert node.rows("SELECT count(*) AS n FROM cpu") == [{"n": 1}]
    with pytest.raises(EngineError):
        node.rows("SELECT * FROM nope")
    with node.engine.query(DATABASE, "SELECT v FROM cpu", {}):
        pass  # nobody wants the rows
    sql = "SELECT query_text, phase, query_type, success, running, cancelled FROM system.queries"
    assert [tuple(row.values()) for row in node.rows(sql)] == [
        ("SELECT count(*) AS n FROM cpu", "success", "sql", True, False, False),
        ("SELECT * FROM nope", "fail", "sql", False, False, False),
        ("SELECT v FROM cpu", "cancel", "sql", False, False, True),
        (sql, "received", "sql", False, True, False),
    ]
    assert len(node.rows(sql, database="other")) == 1


def test_the_node_shows_its_settings_but_no_secrets(tmp_path: Path) -> None:
    node = Node(tmp_path, aws_secret_access_key=Secret("sesame"))
    sql = "SELECT * FROM system.nodes"
    (row,) = node.rows(sql, database="_internal")
    assert (row["node_id"], row["mode"], row["state"]) == ("node0", ["core"], "running")
    shown = json.loads(row["cli_params"])
    assert (shown["aws-secret-access-key"], shown["gen1-duration"]) == ("*******", 600_000_000_000)
    again = node.restarted()
    (after,) = again.rows(sql, database="_internal")
    assert after["instance_id"] == row["instance_id"]
    again.close()


def test_a_chunk_spans_ten_minutes(node: Node) -> None:
    rows = node.rows("SELECT * FROM system.generation_durations", database="_internal")
    assert rows == [{"level": 1, "duration_seconds": 600}]
