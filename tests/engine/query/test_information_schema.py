from typing import Any

import pytest

from engine.errors import QueryError
from tests.support.tables import QueryBench, sample_database


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> QueryBench:
    return sample_database(tmp_path_factory.mktemp("files"))


def test_show_tables_fact_85(bench: QueryBench) -> None:
    table = bench.table("SHOW TABLES")
    assert table.schema.names == ["table_catalog", "table_schema", "table_name", "table_type"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        *(("public", "iox", name, "BASE TABLE") for name in ("%", "Temp", "cpu", "ids", "none")),
        *(("public", "system", name, "BASE TABLE") for name in ("databases", "queries")),
        *(
            ("public", "information_schema", name, "VIEW")
            for name in ("tables", "views", "columns", "df_settings", "schemata", "routines", "parameters")
        ),
    ]


COLUMN_TYPES = [
    ("big", "UInt64", "YES"),
    ("on", "Boolean", "YES"),
    ("s", "Utf8", "YES"),
    ("t", "Dictionary(Int32, Utf8)", "YES"),
    ("test_id", "Int64", "YES"),
    ("time", "Timestamp(ns)", "NO"),
]


@pytest.mark.parametrize("table", ["ids", "'ids'", "iox.ids"])
def test_show_columns_tells_types_in_arrows_words(bench: QueryBench, table: str) -> None:
    shown = bench.table(f"SHOW COLUMNS FROM {table}")
    assert shown.schema.names == [
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "data_type",
        "is_nullable",
    ]
    assert [tuple(row.values()) for row in shown.to_pylist()] == [("public", "iox", "ids", *c) for c in COLUMN_TYPES]


def test_describe_tells_the_same(bench: QueryBench) -> None:
    described = bench.table("DESCRIBE ids")
    assert described.schema.names == ["column_name", "data_type", "is_nullable"]
    assert [tuple(row.values()) for row in described.to_pylist()] == COLUMN_TYPES


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT table_name FROM information_schema.tables WHERE table_type = 'VIEW' LIMIT 1", ["tables"]),
        ("SELECT data_type FROM information_schema.columns WHERE table_name = 'queries'", ["Utf8View", "List(UInt16)"]),
        ("SELECT ordinal_position FROM information_schema.columns WHERE column_name = 'usage' LIMIT 1", [2]),
        ("SELECT schema_name FROM information_schema.schemata", ["iox", "system"]),
        ("SELECT count(definition) FROM information_schema.views", [0]),
        ("SELECT value FROM information_schema.df_settings WHERE name = 'datafusion.catalog.default_schema'", ["iox"]),
        ("SELECT DISTINCT routine_name FROM information_schema.routines WHERE routine_name = 'date_bin'", ["date_bin"]),
        ("SHOW datafusion.catalog.default_catalog", ["datafusion.catalog.default_catalog"]),
    ],
)
def test_information_schema(bench: QueryBench, sql: str, values: list[Any]) -> None:
    assert bench.values(sql) == values


@pytest.mark.parametrize("sql", ["SHOW FUNCTIONS", "SHOW ALL", "SHOW CREATE TABLE cpu", "SHOW FULL COLUMNS FROM cpu"])
def test_other_things_can_be_shown(bench: QueryBench, sql: str) -> None:
    assert bench.table(sql).num_rows > 0


@pytest.mark.parametrize("sql", ["SHOW COLUMNS FROM nope", "DESCRIBE nope"])
def test_columns_of_an_unknown_table_are_refused(bench: QueryBench, sql: str) -> None:
    with pytest.raises(QueryError, match=r"Error during planning: table 'public\.iox\.nope' not found"):
        bench.table(sql)
