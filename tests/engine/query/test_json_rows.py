from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest

from engine.query.cell_text import json_cells
from engine.query.format_choice import Format
from engine.query.formats import encode_all
from engine.query.json_rows import MOST_ROWS, MOST_VALUES, are_few, plain_values, row_type, rows_of

MANY = 600
"""So many values are looked at for such as repeat."""


def written(values: list[object]) -> list[str | None]:
    return [None if value is msgspec.UNSET else msgspec.json.encode(value).decode() for value in values]


@pytest.mark.parametrize("times", [1, MANY], ids=["few", "many"])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.array([1.5, None, -0.0, 0.0, 1e-5, 9999999999.9]), id="floats"),
        pytest.param(pa.array([1e10, 1.5]), id="large floats"),
        pytest.param(pa.array([1e-6, 1.5]), id="small floats"),
        pytest.param(pa.array([float("nan"), float("inf"), None, 2.0]), id="not finite"),
        pytest.param(pa.array([0.1, 3e7, None], pa.float32()), id="single floats"),
        pytest.param(pa.array([-1, None, 2**63 - 1]), id="integers"),
        pytest.param(pa.array([2**64 - 1, None], pa.uint64()), id="unsigned"),
        pytest.param(pa.array([True, False, None]), id="booleans"),
        pytest.param(pa.array(['a"\\b', None, "", "\x00\x1f\x7f\b\f\n\r\t", "é😀"]), id="texts"),
        pytest.param(pa.array(["a", None, "b"], pa.string_view()), id="text views"),
        pytest.param(pa.array(["a", None], pa.large_string()), id="large texts"),
        pytest.param(pa.array(["a", None, 'b"', "a"]).dictionary_encode(), id="tags"),
        pytest.param(pa.array(["x", "y", "z"] * 9).dictionary_encode()[:1], id="more tags than rows"),
        pytest.param(
            pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["a", None])), id="null tags"
        ),
        pytest.param(pa.array([1, None]).dictionary_encode(), id="other dictionaries"),
        pytest.param(pa.array([0, 5, 10**18, None], pa.timestamp("ns")), id="times"),
        pytest.param(pa.array([0, None], pa.timestamp("s", "Europe/Berlin")), id="times of a zone"),
        pytest.param(pa.array([1, None], pa.duration("ns")), id="durations"),
        pytest.param(pa.array([1, None], pa.date32()), id="dates"),
        pytest.param(pa.array([Decimal("1.50"), None]), id="decimals"),
        pytest.param(pa.array([b"\xff", None]), id="bytes"),
        pytest.param(pa.array([[1, None], [], None]), id="lists"),
        pytest.param(pa.array([{"a": 1.5, "b": None}, None]), id="structs"),
        pytest.param(pa.nulls(2), id="nulls"),
    ],
)
def test_values_are_written_as_whole_columns_are(values: pa.Array, times: int) -> None:
    column = pa.concat_arrays([values] * times)
    assert written(plain_values(column)) == json_cells(column).quoted().to_pylist()
    assert written(plain_values(column.slice(1))) == json_cells(column.slice(1)).quoted().to_pylist()


@pytest.mark.parametrize(
    "names",
    [
        pytest.param((), id="no columns"),
        pytest.param(("a", "b", "a"), id="a name twice"),
        pytest.param(('a"b',), id="a quote"),
        pytest.param(("a\n",), id="a line's end"),
    ],
)
def test_names_that_msgspec_cannot_write_have_no_row(names: tuple[str, ...]) -> None:
    assert row_type(names) is None


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("count(*)", "é", "", "class", "c1", "c0", "__init__"), id="odd names"),
        pytest.param(tuple(f"f{number}" for number in range(1000)), id="a thousand columns"),
    ],
)
def test_rows_leave_out_what_is_null(names: tuple[str, ...]) -> None:
    row = row_type(names)
    assert row is not None
    rows = rows_of(row, [pa.array([number, None]) for number in range(len(names))])
    assert msgspec.json.decode(msgspec.json.encode(rows)) == [{name: i for i, name in enumerate(names)}, {}]


@pytest.mark.parametrize(
    ("rows", "columns", "few"),
    [
        (MOST_ROWS, 1, True),
        (MOST_ROWS + 1, 1, False),
        (MOST_VALUES // 2**10, 2**10, True),
        (MOST_VALUES // 2**10 + 1, 2**10, False),
    ],
)
def test_few_rows_are_a_matter_of_rows_and_values(rows: int, columns: int, few: bool) -> None:
    batch = pa.RecordBatch.from_arrays([pa.nulls(rows)] * columns, names=[str(n) for n in range(columns)])
    assert are_few(batch) is few


@pytest.mark.parametrize("format_", [Format.JSON, Format.JSON_LINES], ids=str)
@pytest.mark.parametrize("name", ["a", 'a"'])
def test_batches_of_any_size_make_one_answer(format_: Format, name: str) -> None:
    batch = pa.record_batch({name: pa.array(range(2 * MOST_ROWS)), "s": ["x", None] * MOST_ROWS})
    whole = b"".join(encode_all(format_, batch.schema, [batch]))
    few = [batch.slice(0, 0), batch.slice(0, 3), batch.slice(3, MOST_ROWS + 1), batch.slice(MOST_ROWS + 4)]
    assert b"".join(encode_all(format_, batch.schema, few)) == whole
