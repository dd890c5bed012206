"""Plugins that read and write columns, in a whole engine."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import Engine
from tests.support.engines import create_trigger, logged_when, open_engine, query, request, rows_when, runs_when, write


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "plugins").mkdir()
    with open_engine(tmp_path, plugin_dir=tmp_path / "plugins") as engine:
        yield engine


def plugin(tmp_path: Path, body: str, entry: str = "process_writes(local, batches, args=None)") -> str:
    code = "import pyarrow as pa\nimport pyarrow.compute as pc\ndef " + entry + ":\n    "
    (tmp_path / "plugins" / "p.py").write_text(code + body.replace("\n", "\n    "))
    return "p.py"


def requested(engine: Engine, tmp_path: Path, body: str) -> str:
    """Return what a request plugin with ``body`` answers."""
    create_trigger(engine, "db", "r", "request:r", plugin(tmp_path, body, "process_request(local, q, h, b, args=None)"))
    return request(engine, "r").body.decode()


def test_rows_of_a_write_come_as_columns_and_go_as_columns(engine: Engine, tmp_path: Path) -> None:
    """From the log to the log without a dict; nothing has to be said about tags and time."""
    body = "for b in batches:\n    t = b.to_arrow()\n    local.write_arrow('high', t.filter(pc.greater(t['v'], 50)))"
    create_trigger(engine, "db", "t", "table:m", plugin(tmp_path, body))
    write(engine, "db", "\n".join(f'm,host=h{i % 3} v={i},n={i}i,s="x" {i}' for i in range(100)))
    write(engine, "db", "m,late=x v=77,u=1u,b=t 500")
    rows = rows_when(engine, "db", "SELECT * FROM high ORDER BY time", 50)
    assert rows[0] == {"host": "h0", "v": 51.0, "n": 51, "s": "x", "time": 51}
    assert rows[-1] == {"late": "x", "v": 77.0, "u": 1, "b": True, "time": 500}
    columns = query(
        engine,
        "db",
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox'",
    )
    kinds = {
        name: {(c["column_name"], c["data_type"]) for c in columns if c["table_name"] == name} for name in ("m", "high")
    }
    assert kinds["m"] == kinds["high"]
    assert sum(run["lines_out"] for run in runs_when(engine, "db", 2)) == 50


def test_query_as_columns(engine: Engine, tmp_path: Path) -> None:
    write(engine, "db", "m,host=a v=1 1\nm,host=b v=2 2\nm v=3 3")
    write(engine, "other", "m v=9 9")
    body = """
t = local.query_arrow("SELECT host, v, time FROM m WHERE v > $low ORDER BY time", {"low": 1})
empty = local.query_arrow("SELECT v FROM m WHERE v > 100")
there = local.query_arrow("SELECT v FROM m", database="other")
try:
    local.query_arrow("SELECT nope FROM m")
except Exception as error:
    name = type(error).__name__
return [t["host"].to_pylist(), t["v"].to_pylist(), [str(f.type) for f in t.schema], len(empty), there["v"].to_pylist(), name]
"""
    assert requested(engine, tmp_path, body) == (
        '[["b", null], [2.0, 3.0], ["dictionary<values=string, indices=int32, ordered=0>", "double", "timestamp[ns]"],'
        ' 0, [9.0], "QueryError"]'
    )


def test_lines_and_columns_of_a_run_are_one_write(engine: Engine, tmp_path: Path) -> None:
    """Of equal tags and time the later call wins; other databases are made as they are written to."""
    body = """
local.write(LineBuilder("out").tag("h", "a").int64_field("v", 1).time_ns(5))
t = pa.table({"h": ["a", "b"], "v": [2, 2], "time": [5, 5]})
local.write_arrow("out", t, tags=["h"])
local.write(LineBuilder("out").tag("h", "b").int64_field("v", 3).time_ns(5))
local.write_arrow("out", pa.table({"v": [1.5]}), time_column=None, database="elsewhere")
local.write_arrow("out", t.slice(0, 0))
return "done"
"""
    assert requested(engine, tmp_path, body) == "done"
    assert query(engine, "db", "SELECT h, v FROM out ORDER BY h") == [{"h": "a", "v": 2}, {"h": "b", "v": 3}]
    (row,) = query(engine, "elsewhere", "SELECT * FROM out")
    assert row["v"] == 1.5
    assert abs(row["time"] - engine.clock.now_ns()) < 60 * 10**9


def test_failed_run_stores_none_of_its_columns(engine: Engine, tmp_path: Path) -> None:
    body = "local.write_arrow('out', pa.table({'v': [1], 'time': [1]}))\nraise ValueError('no')"
    with pytest.raises(Exception, match="ValueError: no"):
        requested(engine, tmp_path, body)
    assert "out" not in [row["table_name"] for row in query(engine, "db", "SHOW TABLES")]


def test_columns_that_do_not_fit_the_table_lose_only_their_database(engine: Engine, tmp_path: Path) -> None:
    """B6.11 for columns: the run succeeds, a log line says why nothing was stored."""
    write(engine, "db", "out,h=x v=1i 1")
    body = """
local.write_arrow("new", pa.table({"v": [1], "time": [1]}))
local.write_arrow("out", pa.table({"v": [1.5] * 3000, "time": range(3000)}))
local.write_arrow("kept", pa.table({"v": [1], "time": [1]}), database="other")
return "done"
"""
    assert requested(engine, tmp_path, body) == "done"
    (line,) = logged_when(engine, "db", 1)
    assert line == (
        "ERROR error running request plugin: error writing back lines to db: Cannot write: invalid column type for column"
        " 'v', expected iox::column_type::field::integer, got iox::column_type::field::float: out (row 1)"
    )
    assert query(engine, "db", "SELECT v FROM out") == [{"v": 1}]
    assert query(engine, "other", "SELECT v FROM kept") == [{"v": 1}]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("local.write_arrow('m', pa.table({'v': [1]}))", "ValueError: write_arrow: there is no column 'time'"),
        ("local.write_arrow('m', [1])", "TypeError: argument 'data': 'list' object is no table"),
        ("local.write_arrow(5, pa.table({}))", "TypeError: argument 'table_name': 'int' object is not an instance"),
        ("local.write_arrow('m', None, ['h'])", "TypeError: .*positional arguments"),
        ("local.write_arrow('m', None, database=5)", "TypeError: argument 'database': 'int' object is not"),
        ("local.query_arrow(5)", "TypeError: argument 'query': 'int' object is not an instance of 'str'"),
        ("local.query_arrow('SELECT 1', database='bad db')", "QueryError: invalid database name provided: .*'bad db'"),
    ],
)
def test_mistakes_are_raised_where_they_are_made(engine: Engine, tmp_path: Path, call: str, expected: str) -> None:
    body = f"try:\n    {call}\nexcept Exception as error:\n    return type(error).__name__ + ': ' + str(error)"
    assert re.match(expected, requested(engine, tmp_path, body))


def test_the_engine_s_own_database_takes_no_columns(engine: Engine, tmp_path: Path) -> None:
    body = "local.write_arrow('m', pa.table({'v': [1], 'time': [1]}), database='_internal')\nreturn 'done'"
    assert requested(engine, tmp_path, body) == "done"
    (line,) = logged_when(engine, "db", 1)
    assert "Python plugins cannot write to the _internal database" in line


def test_dry_run_shows_columns_as_lines(engine: Engine, tmp_path: Path) -> None:
    body = """
local.write(LineBuilder("out").int64_field("v", 1).time_ns(5))
local.write_arrow("out", pa.table({"h o": ["a b", None], "v": [2, 3], "s": ['"', None], "time": [6, 7]}), tags=["h o"])
local.write_arrow("out", pa.table({"v": [1.5]}), time_column=None, database="elsewhere")
"""
    engine.tables.create_database("db")
    answer: dict[str, Any] = engine.test_wal(plugin(tmp_path, body), "db", "m v=1 1", None, None)
    assert answer["database_writes"] == {
        "db": ["out v=1i 5", 'out,h\\ o=a\\ b v=2i,s="\\"" 6', "out v=3i 7"],
        "elsewhere": ["out v=1.5"],
    }
    assert answer["errors"] == []
