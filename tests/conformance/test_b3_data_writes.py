"""Checklist B3: what a plugin for data writes is called with, and when."""

import threading
from pathlib import Path

import pytest

from engine.disk import AppendFile, Bytes, RealDisk
from engine.model.precision import Precision
from engine.write.service import WriteParams
from tests.conformance.checklist import row
from tests.support.engines import WAIT_S, eventually
from tests.support.live import Client
from tests.support.scene import QUICK, WAIT_FOR, WRITES, Scene
from tests.support.serving import serving
from tests.support.web import web

REPORT = (
    WRITES
    + """
    for batch in table_batches:
        if batch["table_name"] == "write_reports":
            continue
        count = len(batch["rows"])
        if args and args.get("double_count_table") == batch["table_name"]:
            count *= 2
        line = LineBuilder("write_reports").tag("table_name", batch["table_name"]).int64_field("row_count", count)
        influxdb3_local.write(line)
"""
)
REPORTS = "SELECT table_name, row_count FROM write_reports ORDER BY time, table_name"

VALUES = (
    WRITES
    + """
    for batch in table_batches:
        influxdb3_local.info(batch["table_name"], [row["v"] for row in batch["rows"]])
"""
)
GATED = (
    WAIT_FOR
    + WRITES
    + """
    values = [row["v"] for batch in table_batches for row in batch["rows"]]
    influxdb3_local.info("begin", values)
    wait_for(args["gate"])
    influxdb3_local.info("end", values)
"""
)


def report(table: str, count: int) -> dict[str, object]:
    return {"table_name": table, "row_count": count}


@row("B3.1")
def test_rows_are_counted_by_table(scene: Scene) -> None:
    scene.trigger("all_tables", REPORT, trigger_arguments={"double_count_table": "cpu"})
    scene.write("cpu,host=a v=1 1\ncpu,host=b v=2 2\nmem,host=a v=1 1")
    assert sorted(map(str, scene.rows_when(REPORTS, 2))) == sorted(map(str, [report("cpu", 4), report("mem", 1)]))


STUCK = (
    REPORT
    + """
        if any(row.get("stuck") for row in batch["rows"]):
            influxdb3_local.info("stuck")
            while True:
                pass
"""
)


@pytest.mark.process
@row("B3.2", "B3.18", "A: reliable delivery")
def test_after_a_kill_the_trigger_goes_on_where_it_was(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "p.py").write_text(STUCK)
    options = ("--without-auth", "--plugin-dir", str(plugins))
    with serving(tmp_path, *options) as server:
        client = Client(server.url, "db")
        assert client.write("first v=1 1")
        client.create_trigger("t", "all_tables", "p.py")
        assert client.write("cpu v=1,stuck=f 1\ncpu v=2,stuck=f 2")
        assert client.rows_when(REPORTS, lambda rows: len(rows) == 1) == [report("cpu", 2)]
        assert client.write("mem v=1,stuck=t 1")
        client.rows_when(STUCK_LINE, bool)
        server.process.kill()
        server.process.wait()
    (plugins / "p.py").write_text(REPORT)
    with serving(tmp_path, *options) as server:
        client.at(server.url)
        assert client.rows_when(REPORTS, lambda rows: len(rows) == 2) == [report("cpu", 2), report("mem", 1)]
        assert client.write("disk v=1 1")
        assert client.rows_when(REPORTS, lambda rows: len(rows) == 3)[-1] == report("disk", 1)
    client.close()


STUCK_LINE = "SELECT log_text FROM system.processing_engine_logs WHERE log_text = 'stuck'"


@row("B3.3")
def test_a_row_has_tags_then_fields_then_time(scene: Scene) -> None:
    scene.trigger("table:test_input", WRITES + "    influxdb3_local.info(table_batches[0]['rows'][0])\n")
    scene.write("test_input,tag1=tag1_value,tag2=tag2_value field1=1i 500")
    assert scene.logged(1) == ["INFO {'tag1': 'tag1_value', 'tag2': 'tag2_value', 'field1': 1, 'time': 500}"]


@row("B3.4")
def test_values_have_pythons_own_types(scene: Scene) -> None:
    code = "    (row,) = table_batches[0]['rows']\n    influxdb3_local.info({n: (type(v).__name__, v) for n, v in row.items()})\n"
    scene.trigger("table:m", WRITES + code)
    scene.write('m,t=a i=-1i,u=18446744073709551615u,f=2,s="x",b=t 1700000000', precision="second")
    expected = {
        "t": ("str", "a"),
        "i": ("int", -1),
        "u": ("int", 18446744073709551615),
        "f": ("float", 2.0),
        "s": ("str", "x"),
        "b": ("bool", True),
        "time": ("int", 1_700_000_000 * 10**9),
    }
    assert scene.logged(1) == [f"INFO {expected}"]


@row("B3.5")
def test_what_a_row_did_not_write_is_none(scene: Scene) -> None:
    scene.trigger("table:m", WRITES + "    for row in table_batches[0]['rows']:\n        influxdb3_local.info(row)\n")
    scene.write("m,t=x a=1 1\nm b=2 2")
    assert scene.logged(2) == [
        "INFO {'t': 'x', 'a': 1.0, 'b': None, 'time': 1}",
        "INFO {'t': None, 'a': None, 'b': 2.0, 'time': 2}",
    ]


@row("B3.6")
def test_what_comes_while_the_trigger_runs_is_one_run(scene: Scene, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    scene.trigger("all_tables", GATED, trigger_arguments={"gate": str(gate)})
    scene.write("a v=1")
    scene.logged(1)
    scene.write("a v=2")
    scene.write("a v=3")
    scene.write("b v=4")
    gate.touch()
    assert scene.logged(4)[2] == "INFO begin [2.0, 3.0, 4.0]"


class HeldDisk(RealDisk):
    """A disk whose syncs of the log wait for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()
        self.is_held = threading.Event()

    def open_append(self, path: Path, preallocate_bytes: int = 0) -> AppendFile:
        return _HeldFile(super().open_append(path, preallocate_bytes), self)


class _HeldFile:
    def __init__(self, real: AppendFile, disk: HeldDisk) -> None:
        self._real = real
        self._disk = disk

    def write_at(self, offset: int, *parts: Bytes) -> None:
        self._real.write_at(offset, *parts)

    def sync(self) -> None:
        if not self._disk.go.is_set():
            self._disk.is_held.set()
            assert self._disk.go.wait(WAIT_S)
        self._real.sync()

    def truncate(self, size: int) -> None:
        self._real.truncate(size)

    def close(self) -> None:
        self._real.close()


@row("B3.6")
def test_what_waits_for_the_same_sync_is_one_run(tmp_path: Path) -> None:
    disk = HeldDisk()
    with web(tmp_path, disk=disk, **QUICK) as served:
        scene = Scene(served)
        scene.trigger("all_tables", VALUES)
        scene.write("a v=0")
        scene.logged(1)
        params = WriteParams(scene.database, Precision.NANOSECOND, accept_partial=False)
        disk.go.clear()
        written = [served.engine.write(params, b"a v=1")]
        assert disk.is_held.wait(WAIT_S)
        written += [served.engine.write(params, line) for line in (b"a v=2", b"a v=3", b"a v=4")]
        disk.go.set()
        for one in written:
            one.result(WAIT_S)
        together = eventually(lambda: [line for line in scene.own_lines() if "2.0" in line])
        assert together[0].endswith("2.0, 3.0, 4.0]")


@row("B3.7")
def test_a_write_to_another_table_is_no_run(scene: Scene) -> None:
    scene.trigger("table:a", VALUES)
    scene.write("b v=1")
    scene.write("a v=2\nb v=3")
    assert scene.logged(1) == ["INFO a [2.0]"]
    assert [run["rows_in"] for run in scene.runs_when(1)] == [1]


@row("B3.8")
def test_a_trigger_may_be_there_before_its_table(scene: Scene) -> None:
    scene.trigger("table:x", VALUES)
    scene.write("y v=1")
    scene.write("x v=2\ny v=3\nx v=4")
    assert scene.logged(1) == ["INFO x [2.0, 4.0]"]
    assert len(scene.runs_when(1)) == 1


@row("B3.9")
def test_all_tables_includes_those_that_come_later(scene: Scene) -> None:
    scene.write("old v=0")
    scene.trigger("all_tables", VALUES)
    scene.write("new v=1")
    scene.logged(1)
    scene.write("newer v=2")
    assert scene.logged(2) == ["INFO new [1.0]", "INFO newer [2.0]"]


@row("B3.10")
def test_writes_to_another_database_are_no_run(scene: Scene) -> None:
    other = Scene(scene.web)
    scene.trigger("all_tables", VALUES)
    other.write("a v=1")
    scene.write("a v=2")
    assert scene.logged(1) == ["INFO a [2.0]"]
    assert len(scene.runs_when(1)) == 1
    other.close()


@row("B3.11")
def test_a_plugins_own_output_comes_back_to_it(scene: Scene) -> None:
    code = (
        WRITES
        + """
    tables = [batch["table_name"] for batch in table_batches]
    influxdb3_local.info(tables)
    if "a" in tables:
        influxdb3_local.write(LineBuilder("out").int64_field("v", 1))
    """
    )
    scene.trigger("all_tables", code)
    scene.write("a v=1")
    assert [line for line in scene.logged(3) if line.startswith("INFO")] == ["INFO ['a']", "INFO ['out']"]


@row("B3.12")
def test_the_rows_can_be_queried_inside_the_run(scene: Scene) -> None:
    scene.trigger("table:a", WRITES + "    influxdb3_local.info(influxdb3_local.query('SELECT v FROM a ORDER BY v'))\n")
    scene.write("a v=1 1\na v=2 2")
    assert scene.logged(1) == ["INFO [{'v': 1.0}, {'v': 2.0}]"]


@row("B3.13")
def test_rejected_lines_do_not_arrive(scene: Scene) -> None:
    scene.trigger("table:a", VALUES)
    assert scene.ask_write("a v=1\na v=oops\na v=3").status_code == 400
    assert scene.logged(1) == ["INFO a [1.0, 3.0]"]


@row("B3.14")
@pytest.mark.parametrize(("given", "seen"), [(None, "None"), ({"k": "v"}, "{'k': 'v'}"), ({}, "{}")])
def test_arguments(scene: Scene, given: dict[str, str] | None, seen: str) -> None:
    scene.trigger("all_tables", WRITES + "    influxdb3_local.info(args)\n", trigger_arguments=given)
    scene.write("a v=1")
    assert scene.logged(1) == [f"INFO {seen}"]


@row("B3.14")
def test_no_arguments_at_all(scene: Scene) -> None:
    scene.trigger("all_tables", WRITES + "    influxdb3_local.info(args)\n")
    scene.write("a v=1")
    assert scene.logged(1) == ["INFO None"]


@row("B3.15", "A: no effect on ingestion")
def test_writers_do_not_wait_for_a_slow_plugin(scene: Scene, tmp_path: Path) -> None:
    scene.trigger("table:a", GATED, trigger_arguments={"gate": str(tmp_path / "gate")})
    scene.write("a v=-1")
    scene.logged(1)
    for number in range(60):
        scene.write(f"a v={number}")  # returns when it is acknowledged
    assert scene.own_lines() == ["INFO begin [-1.0]"], "the plugin is still at its first batch"
    (tmp_path / "gate").touch()


@row("B3.16")
def test_synchronous_runs_follow_one_another_in_order(scene: Scene) -> None:
    code = (
        WRITES
        + """
    import time
    values = [row["v"] for batch in table_batches for row in batch["rows"]]
    influxdb3_local.info("begin", *values)
    time.sleep(0.002)
    influxdb3_local.info("end", *values)
    """
    )
    scene.trigger("table:a", code)
    for value in range(40):
        scene.write(f"a v={value}i")
    runs: list[list[str]] = []
    while sum(map(len, runs)) < 40:
        runs = [line.split()[2:] for line in scene.own_lines() if line.startswith("INFO end")]
    begun, ended = scene.own_lines()[::2], scene.own_lines()[1::2]
    assert [line.replace("begin", "end") for line in begun] == ended
    assert [value for run in runs for value in run] == [str(value) for value in range(40)]


@row("B3.16")
def test_asynchronous_runs_may_overlap(scene: Scene, tmp_path: Path) -> None:
    code = (
        WAIT_FOR
        + WRITES
        + """
    import pathlib
    value = int(table_batches[0]["rows"][0]["v"])
    pathlib.Path(args["folder"], str(value)).touch()
    wait_for(args["folder"] + "/" + str(3 - value))
    influxdb3_local.info("met", 3 - value)
    """
    )
    scene.trigger("table:a", code, run_async=True, trigger_arguments={"folder": str(tmp_path)})
    scene.write("a v=1")
    scene.write("a v=2")
    assert set(scene.logged(2)) == {"INFO met 1", "INFO met 2"}


@row("B3.17")
def test_what_is_written_while_disabled_never_arrives(scene: Scene) -> None:
    scene.trigger("table:a", VALUES)
    assert scene.switch("disable").status_code == 200
    scene.write("a v=1")
    assert scene.switch("enable").status_code == 200
    scene.write("a v=2")
    assert scene.logged(1) == ["INFO a [2.0]"]
    assert len(scene.runs_when(1)) == 1


@row("B3.18")
def test_a_restart_delivers_what_was_not_processed_and_nothing_else(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with web(tmp_path, shutdown_timeout_s=0.05, **QUICK) as served:
        scene = Scene(served, "db")
        scene.trigger("table:a", GATED, "done", trigger_arguments={"gate": str(tmp_path)})
        scene.trigger("table:b", GATED, "cut", trigger_arguments={"gate": str(gate)})
        scene.write("a v=1")
        scene.write("b v=2")
        scene.write("b v=3")
        scene.logged(3)
    gate.touch()
    with web(tmp_path, **QUICK) as served:
        lines = Scene(served, "db").logged(5)
        assert lines[:3].count("INFO begin [1.0]") == 1
        assert lines[3:] == ["INFO begin [2.0, 3.0]", "INFO end [2.0, 3.0]"]
