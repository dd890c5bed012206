from pathlib import Path

import pytest

from engine.errors import AlreadyExists, DatabaseNotFound, InternalDatabase, InvalidRequest, TableNotFound
from engine.model.schema import ColumnType
from engine.write.tables import table_columns
from tests.support.node import DATABASE, Node


def test_columns_come_as_given_with_the_time_last() -> None:
    columns = table_columns(["t2", "t1"], [("f", "float64"), ("b", "bool")])
    assert [(c.name, c.type) for c in columns] == [
        ("t2", ColumnType.TAG),
        ("t1", ColumnType.TAG),
        ("f", ColumnType.FLOAT),
        ("b", ColumnType.BOOLEAN),
        ("time", ColumnType.TIME),
    ]


@pytest.mark.parametrize(
    ("tags", "fields", "text"),
    [
        pytest.param(["time"], [], "'time' is a reserved column", id="time as a tag"),
        pytest.param([], [("time", "int64")], "'time' is a reserved column", id="time as a field"),
        pytest.param(["a"], [("a", "int64")], "cannot add column a because it already exists", id="twice"),
        pytest.param([], [("a", "str")], "str is not a valid data type, values are utf8, int64", id="unknown type"),
    ],
)
def test_bad_columns_are_refused(tags: list[str], fields: list[tuple[str, str]], text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        table_columns(tags, fields)


def test_a_created_table_is_empty_and_takes_rows(tmp_path: Path) -> None:  # facts 119 to 121
    node = Node(tmp_path)
    node.engine.tables.create(DATABASE, "t", ["host"], [("v", "float64")])
    assert node.rows("SELECT * FROM t") == []
    with pytest.raises(AlreadyExists):
        node.engine.tables.create(DATABASE, "t", [], [])
    node.write("t,host=a v=1 1")
    again = node.restarted()
    assert again.rows("SELECT host, v FROM t") == [{"host": "a", "v": 1.0}]
    again.close()


def test_what_is_not_there_cannot_be_dropped(tmp_path: Path) -> None:  # fact 122
    node = Node(tmp_path)
    with pytest.raises(DatabaseNotFound, match="Database not found db"):
        node.engine.tables.delete(DATABASE, "t")
    node.engine.tables.create_database(DATABASE)
    with pytest.raises(TableNotFound, match="Table t not in DB schema for db"):
        node.engine.tables.delete(DATABASE, "t")
    with pytest.raises(InternalDatabase):
        node.engine.tables.delete("_internal", "t")
    node.close()


def test_a_deleted_database_leaves_its_name_and_no_rows(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.write("t v=1 1")
    node.engine.tables.delete_database(DATABASE)
    assert node.engine.tables.databases(show_deleted=False) == [("_internal", False)]
    node.write("t v=2 2")
    assert node.rows("SELECT v FROM t") == [{"v": 2.0}]
    again = node.restarted()
    assert again.rows("SELECT v FROM t") == [{"v": 2.0}]
    assert len(again.engine.tables.databases(show_deleted=True)) == 3
    again.close()
