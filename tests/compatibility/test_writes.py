"""How plugins read the rows of a write, build lines, and write them."""

import json
import textwrap
from typing import Any

import pytest

from tests.support.scene import WRITES, Scene

BATCH = """
class Batch:
    def __init__(self, lines):
        self._lines = list(lines)
        self._built = None

    def build(self):
        if self._built is None:
            self._built = "\\n".join(str(line.build()) for line in self._lines)
        return self._built

def line(table, value, at=None):
    made = LineBuilder(table).tag("of", "test").float64_field("v", value)
    if at is not None:
        made.time_ns(at)
    return made

"""

CALLS_OF_WRITE = {
    "buffered": "influxdb3_local.write(line('out', 1.0, 1)); influxdb3_local.write(line('out', 2.0, 2))",
    "buffered-batch": "influxdb3_local.write(Batch([line('out', 1.0, 1), line('out', 2.0, 2)]))",
    "now": "influxdb3_local.write_sync(Batch([line('out', 1.0, 1), line('out', 2.0, 2)]), no_sync=True)",
    "now-and-durable": "influxdb3_local.write_sync(Batch([line('out', 1.0, 1), line('out', 2.0, 2)]), no_sync=False)",
    "now-by-position": "influxdb3_local.write_sync(Batch([line('out', 1.0, 1), line('out', 2.0, 2)]), True)",
    "by-a-bound-function": """
        from functools import partial
        for write in (partial(influxdb3_local.write_sync, no_sync=True),):
            write(Batch([line('out', 1.0, 1), line('out', 2.0, 2)]))
    """,
    "in-a-loop": """
        for attempt in range(3):
            try:
                for one in (line('out', 1.0, 1), line('out', 2.0, 2)):
                    influxdb3_local.write(one)
                break
            except Exception:
                continue
    """,
}


@pytest.mark.parametrize("call", [pytest.param(call, id=way) for way, call in CALLS_OF_WRITE.items()])
def test_lines_are_written(scene: Scene, call: str) -> None:
    assert scene.told(textwrap.dedent(call) + "\nreturn {}", top=BATCH) == {}
    assert scene.rows_when('SELECT "of", v FROM out ORDER BY time', 2) == [{"of": "test", "v": v} for v in (1.0, 2.0)]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("influxdb3_local.write_to_db(target, line('out', 1.0, 1))", id="buffered"),
        pytest.param("influxdb3_local.write_sync_to_db(target, Batch([line('out', 1.0, 1)]), no_sync=True)", id="now"),
        pytest.param(
            "import functools; functools.partial(influxdb3_local.write_sync_to_db, target, no_sync=True)(line('out', 1.0, 1))",
            id="by-a-bound-function",
        ),
    ],
)
def test_other_database_is_made_when_it_is_written_to(scene: Scene, call: str) -> None:
    target = f"{scene.database}_target"
    assert scene.told(f"target = {target!r}\n{call}\nreturn {{}}", top=BATCH) == {}
    assert scene.rows_when("SELECT v FROM out", database=target) == [{"v": 1.0}]


def test_what_is_written_now_can_be_asked_for_at_once(scene: Scene) -> None:
    """A state kept in a table: written, read and written again in one run."""
    body = """
        for paused in (False, True):
            state = LineBuilder("import_state").tag("id", "a").bool_field("paused", paused).time_ns(1 + paused)
            influxdb3_local.write_sync(state, no_sync=False)
        rows = influxdb3_local.query("SELECT paused FROM 'import_state' WHERE id = 'a' ORDER BY time DESC LIMIT 1")
        return rows
    """
    assert scene.told(body) == [{"paused": True}]


def test_bad_batch_is_refused_where_the_plugin_can_see_it(scene: Scene) -> None:
    scene.write("out v=1.0 1")
    body = """
        try:
            influxdb3_local.write_sync(Batch([line("out", 2.0), LineBuilder("out").string_field("v", "x")]), no_sync=True)
        except Exception as error:
            influxdb3_local.error(f"Batch write failed: {error}")
            return {"type": type(error).__name__}
    """
    assert scene.told(body, top=BATCH) == {"type": "Exception"}
    (line,) = scene.logged(1)
    assert line.startswith(f"ERROR Batch write failed: error writing line protocol to {scene.database}: ")
    assert scene.rows("SELECT v FROM out") == [{"v": 1.0}]


TABLES = ["_schema_rejections", "_meta.series_profiles", "_anomalies.cpu", "home-2", "3d"]


@pytest.mark.parametrize("table", TABLES)
def test_table_may_have_such_a_name(scene: Scene, table: str) -> None:
    assert scene.told(f"influxdb3_local.write_sync(line({table!r}, 1.0), no_sync=True)\nreturn {{}}", top=BATCH) == {}
    assert scene.rows_when(f'SELECT v FROM "{table}"') == [{"v": 1.0}]


BUILT = [
    pytest.param('line.float64_field("f", 0)', {"f": 0.0}, id="whole-number-as-float"),
    pytest.param('line.float64_field("f", numpy.float64(1.5))', {"f": 1.5}, id="numpy-float"),
    pytest.param('line.float64_field("f", numpy.float32(0.5))', {"f": 0.5}, id="numpy-short-float"),
    pytest.param('line.int64_field("f", numpy.int64(7))', {"f": 7}, id="numpy-integer"),
    pytest.param('line.bool_field("f", numpy.bool_(True))', {"f": True}, id="numpy-truth"),
    pytest.param('line.int64_field("f", 1).time_ns(numpy.int64(5))', {"f": 1, "time": 5}, id="numpy-time"),
    pytest.param('line.uint64_field("f", 2**64 - 1)', {"f": 2**64 - 1}, id="greatest-unsigned"),
    pytest.param('line.int64_field("f", -(2**63))', {"f": -(2**63)}, id="least-integer"),
    pytest.param('line.float64_field("f", 1e-7)', {"f": 1e-7}, id="small-float"),
    pytest.param('line.string_field("f", json.dumps({"a": "b\\\\c"}))', {"f": '{"a": "b\\\\c"}'}, id="json-as-text"),
    pytest.param('line.string_field("f", "one\\ntwo")', {"f": "one\ntwo"}, id="text-of-two-lines"),
    pytest.param('line.string_field("f", "x" * 60_000)', {"f": "x" * 60_000}, id="long-text"),
    pytest.param(
        'line.tag("place", "Anna\'s, a=b é").int64_field("f", 1)', {"f": 1, "place": "Anna's, a=b é"}, id="tag"
    ),
    pytest.param('line.tag("place", str(None)).int64_field("f", 1)', {"f": 1, "place": "None"}, id="tag-of-nothing"),
    pytest.param('line.int64_field("time_from", 3)', {"time_from": 3}, id="field-that-begins-with-time"),
]


@pytest.mark.parametrize(("made", "row"), BUILT)
def test_values_come_back_as_they_were(scene: Scene, made: str, row: dict[str, Any]) -> None:
    body = f'line = LineBuilder("built")\n{made}\ninfluxdb3_local.write(line)\nreturn {{}}'
    assert scene.told(body, top="import json, numpy\n") == {}
    columns = ", ".join(f'"{name}"' for name in row)
    sql = f"SELECT {columns.replace(chr(34) + 'time' + chr(34), 'arrow_cast(time, ' + repr('Int64') + ') AS time')} FROM built"
    assert scene.rows_when(sql) == [row]


def test_plugin_looks_into_a_line(scene: Scene) -> None:
    """For their logs, some list the names of fields and tags of a line."""
    body = """
        line = LineBuilder("t").tag("a", "x").int64_field("b", 1).float64_field("c", 2.0)
        return [isinstance(line.fields, dict), list(line.fields), list(line.tags), line.measurement, hasattr(line, "nothing")]
    """
    assert scene.told(body) == [True, ["b", "c"], ["a"], "t", False]


ROWS = """
home,room=Kitchen temp=21.5,hum=40i,ok=true,label="a" 1
home,room=Kitchen temp=22.5 2
home,room=Attic hum=7i 3
"""

READ = {
    "by-item": ('[row["temp"] for row in batch["rows"]]', [21.5, 22.5, None]),
    "by-get": ('[row.get("hum", 0) for row in batch["rows"]]', [40, None, 7]),
    "present": ('["label" in row for row in batch["rows"]]', [True, True, True]),
    "by-attribute": ("[batch.table_name, len(batch.rows)]", ["home", 3]),
    "table": ('batch["table_name"]', "home"),
    "keys": ("sorted(batch)", ["rows", "table_name"]),
    "copied": ('[len(dict(batch)["rows"]), len({**batch}["rows"])]', [3, 3]),
    "as-json": ('len(json.loads(json.dumps(batch))["rows"])', 3),
    "types": (
        'sorted((name, type(value).__name__) for name, value in batch["rows"][0].items())',
        [["hum", "int"], ["label", "str"], ["ok", "bool"], ["room", "str"], ["temp", "float"], ["time", "int"]],
    ),
    "by-type": (
        '[sum(isinstance(v, (int, float)) and not isinstance(v, bool) for v in row.values()) for row in batch["rows"]]',
        [3, 2, 2],
    ),
    "tags-from-the-first-row": (
        '[column for column, value in batch["rows"][0].items() if column != "time" and isinstance(value, str)]',
        ["room", "label"],
    ),
    "time-last": ('[list(row)[-1] for row in batch["rows"]]', ["time", "time", "time"]),
    "times": ('sorted(int(row["time"]) for row in batch["rows"])', [1, 2, 3]),
    "joined": ('len([*batch["rows"], *batch["rows"]])', 6),
    "changed": ('[row.update(temp=1.0) or row["temp"] for row in batch["rows"]]', [1.0, 1.0, 1.0]),
    "taken-out": ('[row.pop("room") for row in batch["rows"]]', ["Kitchen", "Kitchen", "Attic"]),
    "printed": ('str(batch["rows"][0])[:7] + repr(type(batch["rows"]))', "{'room'<class 'list'>"),
}


@pytest.mark.parametrize(("expression", "value"), [pytest.param(*read, id=way) for way, read in READ.items()])
def test_rows_are_read(scene: Scene, expression: str, value: Any) -> None:
    code = f"{WRITES}    (batch,) = table_batches\n    influxdb3_local.info(json.dumps({expression}))\n"
    scene.trigger("table:home", "import json\n" + code)
    scene.write(ROWS)
    assert [json.loads(line.removeprefix("INFO ")) for line in scene.logged(1)] == [value]


def test_rows_with_time_are_kept_apart_and_written_back(scene: Scene) -> None:
    """Each row is split into tags, fields and time by the schema, and written to another table."""
    code = (
        WRITES
        + """
    for batch in table_batches:
        if batch["table_name"] != "home":
            continue
        columns = influxdb3_local.query(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $table",
            {"table": batch["table_name"]},
        )
        tags = {row["column_name"] for row in columns if row["data_type"] == "Dictionary(Int32, Utf8)"}
        for row in batch["rows"]:
            line = LineBuilder("copy")
            for name, value in row.items():
                if value is None:
                    continue
                if name == "time":
                    line.time_ns(int(value))
                elif name in tags:
                    line.tag(name, value)
                elif isinstance(value, bool):
                    line.bool_field(name, value)
                elif isinstance(value, int):
                    line.int64_field(name, value)
                elif isinstance(value, float):
                    line.float64_field(name, value)
                else:
                    line.string_field(name, value)
            influxdb3_local.write(line)
"""
    )
    scene.trigger("all_tables", code)
    scene.write(ROWS)
    copies = scene.rows_when("SELECT * FROM copy ORDER BY time", 3)
    assert copies == scene.rows("SELECT * FROM home ORDER BY time")


def test_row_enriched_in_place_does_not_come_back_for_ever(scene: Scene) -> None:
    """The plugin writes a field to the row that it was called with, and knows its own rows by it."""
    code = (
        WRITES
        + """
    for batch in table_batches:
        for row in batch["rows"]:
            if row.get("country") is not None:
                influxdb3_local.info("already there")
                continue
            line = LineBuilder(batch["table_name"]).tag("room", row["room"]).string_field("country", "NZ")
            influxdb3_local.write_sync(line.time_ns(row["time"]), no_sync=True)
"""
    )
    scene.trigger("table:gps", code)
    scene.write("gps,room=a lat=1.0 1")
    assert scene.line_when("INFO already there")
    assert scene.rows("SELECT room, lat, country FROM gps") == [{"room": "a", "lat": 1.0, "country": "NZ"}]
