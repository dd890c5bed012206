from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.types import storage_schema
from engine.model.schema import TableSchema
from engine.storage.parquet import DICTIONARY_SHARE, ParquetBuilder, decode_parquet
from tests.support.batches import batch_of, rows_of, table_schema

SCHEMA = table_schema(
    {"host": "tag", "i": "integer", "u": "uinteger", "f": "float", "s": "string", "b": "boolean", "time": "time"}
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "host": st.text(max_size=3),
    "i": st.integers(-(2**63), 2**63 - 1),
    "u": st.integers(0, 2**64 - 1),
    "f": st.floats(allow_nan=False),
    "s": st.text(max_size=5),
    "b": st.booleans(),
}
ROWS = st.lists(
    st.fixed_dictionaries({"time": st.integers(-(2**63), 2**63 - 1)}, optional=VALUES), min_size=1, max_size=30
)


def file_of(schema: TableSchema, *groups: list[dict[str, Any]]) -> memoryview:
    builder = ParquetBuilder(schema)
    for rows in groups:
        builder.add(batch_of(schema, rows))
    return builder.finish()


def is_dictionary(data: memoryview, column: int) -> bool:
    encodings = pq.ParquetFile(pa.BufferReader(pa.py_buffer(data))).metadata.row_group(0).column(column).encodings
    return "RLE_DICTIONARY" in encodings


@given(groups=st.lists(ROWS, min_size=1, max_size=3))
def test_what_is_written_reads_back(groups: list[list[dict[str, Any]]]) -> None:
    expected = [row for rows in groups for row in rows_of(batch_of(SCHEMA, rows))]
    assert rows_of(decode_parquet(file_of(SCHEMA, *groups), SCHEMA)) == expected


def test_a_file_may_have_no_rows() -> None:
    assert decode_parquet(file_of(SCHEMA), SCHEMA).num_rows == 0


@pytest.mark.parametrize(
    ("distinct", "dictionary"), [(1, True), (100, True), (101, False), (400, False)], ids=["one", "few", "many", "all"]
)
@pytest.mark.parametrize("name", ["i", "u", "f", "s", "time"])
def test_values_that_repeat_are_written_as_a_dictionary(name: str, distinct: int, dictionary: bool) -> None:
    make = str if name == "s" else float if name == "f" else int
    assert DICTIONARY_SHARE == 4
    data = file_of(SCHEMA, [{"time": 0, name: make(number % distinct)} for number in range(400)])
    assert is_dictionary(data, storage_schema(SCHEMA).names.index(name)) is dictionary


def test_tags_are_always_a_dictionary() -> None:
    data = file_of(SCHEMA, [{"time": number, "host": f"h{number}"} for number in range(400)])
    assert is_dictionary(data, storage_schema(SCHEMA).names.index("host"))


def test_only_known_values_count_for_a_dictionary() -> None:
    rows: list[dict[str, Any]] = [{"time": number} for number in range(396)]
    data = file_of(SCHEMA, rows + [{"time": 400 + number, "f": float(number)} for number in range(4)])
    assert not is_dictionary(data, storage_schema(SCHEMA).names.index("f"))
