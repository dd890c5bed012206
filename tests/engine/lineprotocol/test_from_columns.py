from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from engine.lineprotocol.body import parse_body
from engine.lineprotocol.from_columns import lines_of
from engine.model.precision import Precision
from engine.model.schema import TIME_COLUMN
from tests.support.batches import batch_of, table_schema

COLUMNS = {
    "a tag": "tag",
    "t,2": "tag",
    "i": "integer",
    "u=": "uinteger",
    "f\\f": "float",
    "s": "string",
    "b": "boolean",
}
words = st.text("ab ,=\\\"é'", min_size=1, max_size=4).filter(lambda word: not word.endswith("\\"))
rows_to_write = st.fixed_dictionaries(
    {"time": st.integers(-(2**60), 2**60), "i": st.integers(-(2**63), 2**63 - 1)},
    optional={
        "a tag": words,
        "t,2": words,
        "u=": st.integers(0, 2**64 - 1),
        "f\\f": st.floats(allow_nan=False, allow_infinity=False),
        "s": st.text(max_size=4),
        "b": st.booleans(),
    },
)


@given(
    words.filter(lambda word: "\\" not in word and not word.startswith("#")),
    st.lists(rows_to_write, min_size=1, max_size=5),
)
def test_lines_read_back_as_the_rows_that_they_were_made_of(table: str, rows: list[dict[str, Any]]) -> None:
    schema = table_schema(COLUMNS | {"time": "time"}, name=table)
    kinds = {column.name: column.type for column in schema.columns}
    lines = list(lines_of(table, kinds, batch_of(schema, rows)))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        parsed = parse_body(line.encode(), Precision.NANOSECOND, 0)
        assert not parsed.rejected
        (group,) = [group.columns for group in parsed.groups]
        names = [*group.tags, *(name for name, _ in group.fields), TIME_COLUMN]
        columns = [*group.tag_columns, *group.field_columns, group.time.cast(pa.int64())]
        assert group.table == table
        assert {name: column[0].as_py() for name, column in zip(names, columns, strict=True)} == row


def test_rows_without_time_are_lines_without_timestamp() -> None:
    schema = table_schema({"host": "tag", "v": "float"})
    kinds = {column.name: column.type for column in schema.columns}
    rows = [{"host": "a", "v": 1.0}, {"v": 2.5}]
    assert list(lines_of("m", kinds, batch_of(schema, rows))) == ["m,host=a v=1.0", "m v=2.5"]
