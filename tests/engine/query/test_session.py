import gc
import shutil
import weakref
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pytest
from datafusion.catalog import Table

from engine.errors import EngineError, QueryError, QueryFailed, QueryNotSupported
from engine.query import session, time_bounds
from engine.query.config import QueryConfig
from engine.query.executor import QueryExecutor
from engine.query.format_choice import Format
from engine.query.formats import encode_all
from tests.support.tables import (
    CPU,
    LARGE_ID,
    TIMES,
    MemorySystemTables,
    MemoryTables,
    ParquetFolders,
    QueryBench,
    S,
    query_table_schema,
    rows_batch,
    sample_database,
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> QueryBench:
    return sample_database(tmp_path_factory.mktemp("files"))


def test_a_table_is_all_its_files_and_batches(bench: QueryBench) -> None:
    assert bench.rows("SELECT * FROM cpu ORDER BY time, usage") == [
        {"host": "a", "time": TIMES[0]},
        {"host": "b", "time": TIMES[1], "usage": 0.9},
        {"time": TIMES[2], "usage": 2.0},
        {"host": "a", "time": TIMES[2]},
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT usage FROM gappy", [1.0, 2.0]),
        ("SELECT usage FROM gappy UNION ALL SELECT usage FROM gappy", [1.0, 1.0, 2.0, 2.0]),
        ("SELECT usage FROM gappy LIMIT 1", [1.0]),
        ("SELECT v.usage FROM gappy v CROSS JOIN gappy", [1.0, 1.0, 2.0, 2.0]),
    ],
)
def test_a_batch_without_rows_does_not_end_a_result(sql: str, expected: list[float]) -> None:
    none, one = rows_batch(CPU, []), [rows_batch(CPU, [{"time": usage, "usage": float(usage)}]) for usage in (1, 2)]
    gappy = QueryBench(MemoryTables().add("gappy", CPU, [none, one[0], none, one[1], none]))
    assert sorted(gappy.values(sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT host AS x FROM cpu UNION ALL SELECT s AS x FROM ids UNION ALL SELECT 'z' AS x",
        "SELECT a.host AS x FROM cpu a CROSS JOIN cpu b UNION ALL SELECT s AS x FROM ids",
        "SELECT * FROM cpu",
    ],
)
def test_all_batches_have_the_columns_that_were_told(bench: QueryBench, sql: str) -> None:
    with bench.executor.sql(bench.tables, MemorySystemTables(), sql, {}) as result:
        batches = list(result.batches)
        assert batches
        assert all(batch.schema.equals(result.schema, check_metadata=True) for batch in batches)


def test_rows_of_fact_66(bench: QueryBench) -> None:
    result = bench.table("SELECT host, time, usage FROM cpu WHERE usage > 0 ORDER BY time")
    assert b"".join(encode_all(Format.JSON, result.schema, result.to_batches())) == (
        b'[{"host":"b","time":"2065-01-07T17:28:52","usage":0.9},{"time":"2065-01-07T17:28:53","usage":2.0}]'
    )


def test_columns_have_the_tables_order_types_and_metadata_facts_86_and_166(bench: QueryBench) -> None:
    assert bench.table("SELECT * FROM cpu").schema.equals(CPU, check_metadata=True)
    assert bench.table("SELECT * FROM cpu WHERE usage > 5").schema.equals(CPU, check_metadata=True)
    field = bench.table("SELECT host FROM cpu WHERE host = 'a' ORDER BY time").schema.field("host")
    assert field.metadata == {b"iox::column::type": b"iox::column_type::tag"}


def test_strings_are_utf8(bench: QueryBench) -> None:
    assert (
        bench.table("SELECT s, 'x' AS a, s || t AS b, arrow_typeof(s) AS c FROM ids").schema.types == [pa.string()] * 4
    )


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT count(*) FROM cpu", [4]),
        ("SELECT count(usage) FROM cpu", [2]),
        ("SELECT usage FROM iox.cpu WHERE host = 'b'", [0.9]),
        ("SELECT usage FROM public.iox.cpu WHERE host IN ('b', 'c')", [0.9]),
        ("SELECT HOST FROM CPU WHERE Usage = 0.9", ["b"]),
        ('SELECT count(*) FROM "Temp"', [1]),
        ("SELECT count(*) FROM 'Temp'", [1]),
        ("SELECT count(*) FROM '%'", [1]),
        ("SELECT count(*) FROM cpu a JOIN 'Temp' b ON a.host = b.host", [1]),
        ("WITH cpu AS (SELECT 7 AS n) SELECT n FROM cpu", [7]),
        ("SELECT n FROM (VALUES (1), (2)) AS v(n) ORDER BY n", [1, 2]),
        ("SELECT 1;", [1]),
        ("SELECT usage FROM none", []),
        ("SELECT count(*) FROM none", [0]),
        ("SELECT count(*) FROM cpu WHERE time >= '2065-01-07T17:28:52Z'", [3]),
        ("SELECT count(*) FROM cpu WHERE time > '2065-01-07 17:28:52'", [2]),
        ("SELECT count(*) FROM cpu WHERE time > '2065-01-07'", [4]),
        ("SELECT count(*) FROM cpu WHERE time < TIMESTAMP '2065-01-07 17:28:51.5'", [1]),
        ("SELECT count(*) FROM cpu WHERE time >= now() - interval '3 minutes'", [4]),
        ("SELECT host IS NULL FROM cpu WHERE usage = 2.0", [True]),
        ("SELECT host = '' FROM cpu WHERE usage = 2.0", [None]),
        ("SELECT name FROM system.databases", ["foo"]),
        ("SELECT name FROM system.queries", []),
        ("SELECT count(*) FROM generate_series(1, 3)", [3]),
    ],
)
def test_values_of_queries(bench: QueryBench, sql: str, values: list[Any]) -> None:
    assert bench.values(sql) == values


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT count(*) FROM cpu", ["count(*)"]),
        ("SELECT avg(usage) FROM cpu", ["avg(cpu.usage)"]),
        ("SELECT a.host, b.host FROM cpu a JOIN cpu b ON a.time = b.time", ["host", "host"]),
    ],
)
def test_names_of_columns(bench: QueryBench, sql: str, names: list[str]) -> None:
    assert bench.table(sql).schema.names == names


@pytest.mark.parametrize(
    ("sql", "kind", "text"),
    [
        pytest.param(
            "SELECT * FROM nope", QueryError, "Error during planning: table 'public.iox.nope' not found", id="fact 77"
        ),
        pytest.param(
            "SELECT * FROM system.nope", QueryError, "…: table 'public.system.nope' not found", id="system table"
        ),
        pytest.param(
            "SELECT * FROM other.iox.cpu", QueryError, "…: table 'other.iox.cpu' not found", id="other catalog"
        ),
        pytest.param("SELECT nope FROM cpu", QueryFailed, "Schema error: No field named nope.", id="fact 78"),
        pytest.param("SELECT", QueryError, 'SQL error: ParserError("', id="syntax"),
        pytest.param("", QueryError, "…: No SQL statements were provided in the query string", id="nothing"),
        pytest.param("SELECT nope(1)", QueryError, "…: Invalid function 'nope'.", id="function"),
        pytest.param(
            "CREATE TABLE x AS SELECT 1", QueryError, "…: DDL not supported: CreateMemoryTable", id="fact 79, table"
        ),
        pytest.param(
            "INSERT INTO cpu SELECT * FROM cpu", QueryError, "…: DML not supported: Insert Into", id="fact 79, rows"
        ),
        pytest.param("SET x = 1", QueryError, "…: Statement not supported: SetVariable", id="fact 79, setting"),
        pytest.param("SELECT 1; SELECT 2", QueryNotSupported, "This feature is not implemented: ", id="fact 80"),
        pytest.param("SELECT * INTO x FROM cpu", QueryError, "…: DDL not supported: CreateMemoryTable", id="into"),
        pytest.param("CREATE VIEW x AS SELECT 1", QueryError, "…: DDL not supported: CreateView", id="view"),
        pytest.param("CREATE DATABASE x", QueryError, "…: DDL not supported: CreateCatalog", id="database"),
        pytest.param("DROP TABLE cpu", QueryError, "…: DDL not supported: DropTable", id="drop"),
        pytest.param("DELETE FROM cpu", QueryError, "…: DML not supported: Delete", id="delete"),
        pytest.param("UPDATE cpu SET usage = 1", QueryError, "…: DML not supported: Update", id="update"),
        pytest.param("TRUNCATE TABLE cpu", QueryError, "…: DML not supported: Truncate", id="truncate"),
        pytest.param(
            "ALTER TABLE cpu ADD COLUMN y INT", QueryNotSupported, "This feature is not implemented: ", id="alter"
        ),
        pytest.param("RESET datafusion.execution.batch_size", QueryError, "…: Statement not supported: ", id="reset"),
        pytest.param("PREPARE p AS SELECT 1", QueryError, "…: Statement not supported: Prepare", id="prepare"),
        pytest.param("BEGIN", QueryNotSupported, "This feature is not implemented: ", id="transaction"),
        pytest.param("COPY (SELECT 1) TO '/tmp/x.csv'", QueryError, "…: DML not supported: COPY", id="copy"),
        pytest.param("EXPLAIN COPY cpu TO '/tmp/x.csv'", QueryError, "…: DML not supported: COPY", id="copy explained"),
        pytest.param(
            "EXPLAIN ANALYZE INSERT INTO cpu SELECT * FROM cpu", QueryError, "…: DML not supported: ", id="run"
        ),
        pytest.param(
            "EXPLAIN SET x = 1", QueryError, "…: Statement not supported: SetVariable", id="setting explained"
        ),
        pytest.param("EXPLAIN CREATE TABLE x AS SELECT 1", QueryError, "…: DDL not supported: ", id="table explained"),
        pytest.param(
            "SELECT * FROM '/etc/passwd'", QueryError, "…: table 'public.iox./etc/passwd' not found", id="file"
        ),
        pytest.param("SELECT * FROM 'http://x/y.parquet'", QueryError, "…: table 'public.iox.http://x", id="address"),
        pytest.param(
            "SELECT * FROM read_csv('/etc/passwd')", QueryError, "…: table function 'read_csv' not found", id="csv"
        ),
        pytest.param(
            "SELECT * FROM parquet_metadata('x')", QueryError, "…: table function 'parquet_metadata'", id="metadata"
        ),
        pytest.param(
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", QueryError, "…: DDL not", id="external"
        ),
        pytest.param(
            "SELECT * FROM cpu WHERE time > 5", QueryError, "type_coercion\ncaused by\n", id="an integer is no time"
        ),
        pytest.param(
            "SELECT 1 / 0", QueryFailed, "query error: error while executing plan: Arrow error: Divide by", id="zero"
        ),
        pytest.param("SELECT CAST('x' AS INT)", QueryFailed, "Optimizer rule 'simplify_expressions' failed", id="cast"),
        pytest.param(
            "SELECT * FROM cpu WHERE host = $h",
            QueryError,
            "…: No value found for placeholder with name $h",
            id="fact 84",
        ),
        pytest.param(
            "SELECT ?", QueryError, "…: No value found for placeholder with name ?", id="fact 84, without name"
        ),
    ],
)
def test_what_is_refused(bench: QueryBench, sql: str, kind: type[EngineError], text: str) -> None:
    with pytest.raises(EngineError) as refused:
        bench.table(sql)
    assert type(refused.value) is kind
    assert str(refused.value).startswith(text.replace("…", "Error during planning"))


TWO_TIMES = {"p": "1970-01-01T00:00:01Z", "q": "1970-01-01 00:00:01.5"}


@pytest.mark.parametrize(
    ("sql", "params", "values"),
    [
        pytest.param("SELECT usage FROM cpu WHERE host = $h", {"h": "b"}, [0.9], id="fact 84, tag"),
        pytest.param("SELECT test_id FROM ids WHERE test_id = $p", {"p": LARGE_ID}, [LARGE_ID], id="unsigned and integer"),
        pytest.param("SELECT test_id FROM ids WHERE test_id < $p", {"p": 0}, [-1], id="unsigned and negative"),
        pytest.param("SELECT test_id FROM ids WHERE test_id >= $p", {"p": -1}, [LARGE_ID, -1], id="negative"),
        pytest.param("SELECT big FROM ids WHERE big > $p", {"p": -5}, [2**64 - 1, 0], id="negative and unsigned"),
        pytest.param("SELECT big FROM ids WHERE big = $p", {"p": 2**64 - 1}, [2**64 - 1], id="largest"),
        pytest.param("SELECT usage FROM cpu WHERE usage = $p", {"p": 2}, [2.0], id="unsigned and float"),
        pytest.param("SELECT usage FROM cpu WHERE usage < $p", {"p": 1.5}, [0.9], id="float"),
        pytest.param("SELECT s FROM ids WHERE s = $p AND \"on\" = $q", {"p": "x", "q": True}, ["x"], id="string, boolean"),
        pytest.param("SELECT t FROM ids WHERE t IN ($p, $q)", {"p": "b", "q": "c"}, ["b"], id="in a list"),
        pytest.param("SELECT t FROM ids WHERE t = $p", {"p": None}, [], id="null is equal to nothing"),
        pytest.param("SELECT t FROM ids WHERE time BETWEEN $p AND $q", TWO_TIMES, ["b"], id="times"),
        pytest.param("SELECT test_id FROM ids WHERE test_id = $p", {"p": "-1"}, [-1], id="a number as string"),
        pytest.param("SELECT test_id FROM ids ORDER BY time LIMIT $n", {"n": 1}, [LARGE_ID], id="limit"),
        pytest.param("SELECT $p", {"p": 3, "unused": 4}, [3], id="extra ones are ignored"),
        pytest.param("SELECT $p IS NULL", {"p": None}, [True], id="null"),
        pytest.param("SELECT t FROM ids WHERE t = $1", {"1": "a"}, ["a"], id="a number as name"),
    ],
)  # fmt: skip
def test_parameters_of_server_api_4_3(
    bench: QueryBench, sql: str, params: Mapping[str, Any], values: list[Any]
) -> None:
    assert bench.values(sql, params) == values


def test_a_whole_number_parameter_is_unsigned(bench: QueryBench) -> None:
    types = bench.table("SELECT $a AS a, $b AS b, $c AS c, $d AS d", {"a": 0, "b": -1, "c": 1.0, "d": "x"}).schema.types
    assert types == [pa.uint64(), pa.int64(), pa.float64(), pa.string()]


def test_filters_and_projections_reach_files_and_batches(bench: QueryBench) -> None:
    plan = bench.table("EXPLAIN SELECT host FROM cpu WHERE time > '2065-01-07'")["plan"].to_pylist()[0]
    scans = [line for line in plan.splitlines() if "TableScan" in line]
    assert len(scans) == 3
    assert all("TableScan: cpu projection=[host, time], partial_filters=[cpu.time > " in scan for scan in scans[:2])
    assert "VIEW" not in plan


@pytest.mark.parametrize(
    ("sql", "is_late"),
    [
        ("SELECT * FROM files WHERE host = 'a'", True),
        ("SELECT host, max(usage) FROM files WHERE host = 'a' GROUP BY host", False),
        ("SELECT s, max(i) FROM texts WHERE i > 1 GROUP BY s", True),
    ],
)
def test_files_decode_whole_rows_and_texts_late(tmp_path: Path, sql: str, is_late: bool) -> None:
    texts = query_table_schema({"s": "string", "i": "integer", "time": "time"}, name="texts")
    tables = MemoryTables()
    for name, schema in (("files", CPU), ("texts", texts)):
        folder = ParquetFolders(tmp_path / name).folder(rows_batch(schema, [{"time": 1}, {"time": 2}]))
        tables.add(name, schema, folders=[folder])
    files = QueryBench(tables)
    plan = files.table(f"EXPLAIN {sql}")["plan"].to_pylist()[1]
    assert ("FilterExec" not in plan) is is_late  # then it is the files themselves that filter


class Live:
    """Something that stands for rows."""


@pytest.mark.parametrize("number", range(20))
def test_rows_of_a_cache_are_those_that_it_gives_now(number: int, made: session.Session) -> None:
    rows = pa.table({"host": [f"h{number}"]})
    for _ in range(2):
        frame = made.plan("SELECT host FROM last_cache('cpu')", {}, no_table, lambda call: given(made, rows))
        assert frame.to_pydict() == {"host": [f"h{number}"]}


def test_rows_of_a_cache_are_let_go(made: session.Session) -> None:
    rows = pa.table({"host": ["a"]})
    given(made, rows)
    gone = weakref.ref(rows)
    del rows
    assert gone() is None


@pytest.fixture(scope="module")
def made() -> session.Session:
    return session.Session(QueryConfig(memory_bytes=2**24))


def no_table(schema: str, name: str) -> None:
    assert name == "last_cache", "DataFusion asks for a table before it calls a function"


def given(made: session.Session, rows: pa.Table) -> Table:
    return made.table_of_rows("last_cache", rows)


def test_live_rows_are_taken_over_once() -> None:
    tables = MemoryTables().add("m", CPU, [rows_batch(CPU, [{"host": "a", "time": 1}])])
    tables.live["m"] = first = Live()
    bench = QueryBench(tables)
    assert bench.values("SELECT host FROM m") == ["a"]
    tables.add("m", CPU, [rows_batch(CPU, [{"host": "b", "time": 1}])])
    assert bench.values("SELECT host FROM m") == ["a"], "they are still what stands for them"
    tables.live["m"] = Live()
    assert bench.values("SELECT host FROM m") == ["b"]
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("where", "hosts"),
    [
        pytest.param("time >= '1970-01-01T00:00:05Z' AND time < '1970-01-01T00:00:07Z'", ["h5", "h6"], id="both ends"),
        pytest.param("time > '1970-01-01T00:00:09Z'", [], id="none"),
        pytest.param("time < '1970-01-01T00:00:09Z' AND host > 'h7'", ["h8"], id="most"),
        pytest.param("time < '1970-01-01T00:00:01Z' OR host = 'h9'", ["h0", "h9"], id="not only the time"),
    ],
)
def test_rows_in_memory_are_left_out_by_time(where: str, hosts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LEAST_PRUNED_ROWS", 1)
    monkeypatch.setattr(time_bounds, "BLOCK_ROWS", 2)
    rows = [{"host": f"h{number}", "time": number * S} for number in range(10)]
    tables = MemoryTables().add("m", CPU, [rows_batch(CPU, rows[:3]), rows_batch(CPU, rows[:2:-1])])
    tables.live["m"] = Live()
    asked = QueryBench(tables)
    for _ in range(2):
        assert asked.values(f"SELECT host FROM m WHERE {where} ORDER BY time") == hosts
    assert asked.values("SELECT count(*) FROM m") == [10]


def _grown_by(root: Path) -> int:
    """Return by how many bytes this process grows when it reads the footers of 150 more files."""
    values = np.random.default_rng(1).random(80_000)
    rows = pa.RecordBatch.from_arrays(
        [pa.nulls(len(values), f.type) if f.name == "host" else _column(f, values) for f in CPU], schema=CPU
    )
    folder = ParquetFolders(root).folder(rows)
    (file,) = folder.iterdir()
    many = [file.parent.with_name(f"many {number}") for number in range(2)]
    for other in many:
        other.mkdir()
        for number in range(150):
            (other / f"{number}.parquet").hardlink_to(file)
    tables = MemoryTables().add("once", CPU, folders=[many[0]]).add("again", CPU, folders=[many[1]])
    bench = QueryBench(tables)
    assert bench.values("SELECT count(*) FROM once") == [150 * len(values)]
    before: int = psutil.Process().memory_info().rss
    assert bench.values("SELECT count(*) FROM again") == [150 * len(values)]
    return int(psutil.Process().memory_info().rss) - before


@pytest.mark.process
def test_files_that_were_read_keep_little_in_memory(tmp_path: Path) -> None:
    # In a process of its own: what other tests have left in memory may grow or shrink meanwhile.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        grown_by = pool.submit(_grown_by, tmp_path).result(60)
    assert grown_by < 40 * 2**20  # half a megabyte of each would be twice that


def test_folders_that_are_gone_are_forgotten(tmp_path: Path, made: session.Session) -> None:
    files = ParquetFolders(tmp_path)
    stays = files.folder(rows_batch(CPU, [{"host": "a", "time": 1}]))
    made.warm_folder("m", stays, CPU)
    for _ in range(3 * session.LOOKS):
        folder = files.folder(rows_batch(CPU, [{"host": "a", "time": 1}]))
        made.warm_folder("m", folder, CPU)
        shutil.rmtree(folder)
    assert set(made.folders) == {stays, folder}


def _column(field: pa.Field, values: npt.NDArray[np.float64]) -> pa.Array:
    return (
        pa.array((values * 1e15).astype(np.int64), pa.int64()).cast(field.type)
        if field.name == "time"
        else pa.array(values)
    )


def test_of_the_first_folder_that_is_warmed_rows_are_read_and_of_the_next_only_what_they_say_of_themselves(
    tmp_path: Path,
) -> None:
    executor = QueryExecutor(QueryConfig(10**8, threads=2))
    schema = query_table_schema({'a "b"': "tag", "time": "time", "usage": "float"})
    # Values that are all the same are taken from the statistics.
    batch = rows_batch(
        schema, [{'a "b"': tag, "time": time, "usage": 1.0} for tag, time in zip("xy", TIMES, strict=False)]
    )
    folders = ParquetFolders(tmp_path)
    executor.warm_folder("cpu", folders.folder(batch), schema)
    damaged = folders.folder(batch)
    file = damaged / "0.parquet"
    footer_bytes = 8 + int.from_bytes(file.read_bytes()[-8:-4], "little")
    rows_bytes = file.stat().st_size - footer_bytes
    file.write_bytes(bytes(rows_bytes) + file.read_bytes()[rows_bytes:])
    executor.warm_folder("cpu", damaged, schema)
    with pytest.raises(BaseException, match="Parquet"):
        QueryExecutor(QueryConfig(10**8, threads=2)).warm_folder("cpu", damaged, schema)
