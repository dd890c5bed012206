import datetime
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.columns.rows import table_rows
from engine.host.arrow_message import decode_columns
from engine.host.arrow_rows import arrow_rows
from engine.lineprotocol.lines import MOST_STRING_BYTES

TIME = pa.array([1, 2], pa.timestamp("ns"))
V = pa.array([1.5, 2.5])


class Frame:
    """Any other library's table, as far as Arrow sees it."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def stored(
    data: Any, tags: Any = None, time_column: str | None = "time"
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return what would be stored: the type of each column, and the rows."""
    rows = arrow_rows("m", data, tags, time_column)
    assert rows is not None
    kinds, batch = decode_columns(rows)
    return {name: kind.short for name, kind in kinds.items()}, table_rows(batch)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        *(
            pytest.param(pa.array([1, None], t()), "integer", [1, None])
            for t in (pa.int8, pa.int16, pa.int32, pa.int64)
        ),
        *(pytest.param(pa.array([1, 2], t()), "uinteger", [1, 2]) for t in (pa.uint8, pa.uint16, pa.uint32)),
        pytest.param(pa.array([2**64 - 1, 0], pa.uint64()), "uinteger", [2**64 - 1, 0]),
        pytest.param(pa.array([1.5, None], pa.float32()), "float", [1.5, None]),
        pytest.param(pa.array([np.float16(1.5), None], pa.float16()), "float", [1.5, None]),
        pytest.param(pa.array([1.5, -0.0]), "float", [1.5, 0.0]),
        pytest.param(pa.array([True, None]), "boolean", [True, None]),
        pytest.param(pa.array(["a\nb", ""]), "string", ["a\nb", ""]),
        pytest.param(pa.array(["a", None], pa.large_string()), "string", ["a", None]),
        pytest.param(pa.array(["a", None], pa.string_view()), "string", ["a", None]),
        pytest.param(pa.array([7, 7]).dictionary_encode(), "integer", [7, 7]),
        pytest.param(pa.array([1.5, None]).dictionary_encode(), "float", [1.5, None]),
        pytest.param(pa.RunEndEncodedArray.from_arrays([1, 2], [5, 6]), "integer", [5, 6]),
        pytest.param(pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", "[]"])), "string", ["{}", "[]"]),
    ],
)
def test_fields_are_stored_as_one_of_five_types(values: pa.Array, kind: str, expected: list[Any]) -> None:
    kinds, rows = stored(pa.table({"x": values, "keep": V, "time": TIME}))
    assert kinds == {"x": kind, "keep": "float", "time": "time"}
    assert [row["x"] for row in rows] == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        *(
            pytest.param(pa.array([1, 2], pa.timestamp(u)), [f, 2 * f])
            for u, f in (("s", 10**9), ("ms", 10**6), ("us", 1000))
        ),
        pytest.param(pa.array([1, -2], pa.timestamp("us", "Europe/Berlin")), [1000, -2000]),
        pytest.param(pa.array([1, 2], pa.timestamp("ns", "UTC")), [1, 2]),
        pytest.param(pa.array([1, -(2**63)]), [1, -(2**63)]),
        pytest.param(pa.array([1, 2], pa.uint16()), [1, 2]),
        pytest.param(pa.array([datetime.date(1970, 1, 2)] * 2), [86_400 * 10**9] * 2),
        pytest.param(pa.array([datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC)] * 2), [86_400 * 10**9] * 2),
    ],
)
def test_times_of_any_unit_become_nanoseconds(times: pa.Array, expected: list[int]) -> None:
    kinds, rows = stored(pa.table({"at": times, "v": V}), time_column="at")
    assert kinds == {"v": "float", "time": "time"}
    assert [row["time"] for row in rows] == expected


def test_rows_without_time_have_that_of_the_write() -> None:
    assert stored(pa.table({"v": V}), time_column=None)[0] == {"v": "float"}


CODED = pa.array(["a", "b"]).dictionary_encode()


@pytest.mark.parametrize(
    ("host", "tags", "kind"),
    [
        pytest.param(CODED, None, "tag", id="dictionaries-are-tags"),
        pytest.param(CODED.cast(pa.dictionary(pa.int8(), pa.large_string())), None, "tag", id="of-any-kind"),
        pytest.param(CODED, [], "string", id="unless-others-are-named"),
        pytest.param(CODED, ["host"], "tag", id="named"),
        pytest.param(pa.array(["a", "b"]), ["host"], "tag", id="text-that-is-named"),
        pytest.param(pa.array(["a", "b"]), ("host", "host"), "tag", id="named-twice"),
        pytest.param(pa.array(["a", "b"]), None, "string", id="text-is-a-field"),
    ],
)
def test_tags_are_what_is_named_or_dictionaries_of_text(host: pa.Array, tags: Any, kind: str) -> None:
    kinds, rows = stored(pa.table({"v": V, "host": host, "time": TIME}), tags)
    assert kinds["host"] == kind
    assert [row["host"] for row in rows] == ["a", "b"]
    assert (next(iter(kinds)) == "host") is (kind == "tag")


@pytest.mark.parametrize(
    "coded",
    [
        pytest.param(pa.DictionaryArray.from_arrays([0, 1, None], ["a", None]), id="null-in-the-dictionary"),
        pytest.param(pa.DictionaryArray.from_arrays([1, None, None], ["a", "a"]), id="text-twice"),
        pytest.param(pa.DictionaryArray.from_arrays([7, None, None], list("bcdefgha")), id="more-texts-than-rows"),
        pytest.param(pa.chunked_array([pa.array(["a"]).dictionary_encode(), pa.nulls(2, CODED.type)]), id="chunks"),
    ],
)
def test_dictionaries_are_tidied(coded: Any) -> None:
    rows = arrow_rows("m", pa.table({"t": coded, "v": [1, 2, 3], "time": [1, 2, 3]}), None, "time")
    assert rows is not None
    _, batch = decode_columns(rows)
    assert batch.column("t").dictionary.to_pylist() == ["a"]
    assert batch.column("t").to_pylist() == ["a", None, None]


@pytest.mark.parametrize("as_data", [lambda t: t, lambda t: t.to_batches()[0], Frame, lambda t: t.to_reader()])
def test_any_table_of_arrow_is_taken(as_data: Callable[[pa.Table], Any]) -> None:
    assert stored(as_data(pa.table({"v": V, "time": TIME})))[1] == [{"v": 1.5, "time": 1}, {"v": 2.5, "time": 2}]


def test_columns_without_values_are_left_out() -> None:
    """Line protocol cannot make a column without a value either."""
    nulls = {
        "n": pa.nulls(2),
        "f": pa.nulls(2, pa.float64()),
        "t": pa.nulls(2, pa.string()),
        "d": pa.nulls(2, CODED.type),
    }
    untyped = {"when": pa.nulls(2, pa.timestamp("s"))}
    assert stored(pa.table(nulls | untyped | {"v": V, "time": TIME}), ["t"])[0] == {"v": "float", "time": "time"}


def test_chunks_become_one() -> None:
    table = pa.concat_tables([pa.table({"v": V, "time": TIME})] * 3)
    assert len(stored(table)[1]) == 6
    assert len(stored(table.slice(1, 4))[1]) == 4


def test_no_rows_are_nothing() -> None:
    assert arrow_rows("m", pa.table({"v": V, "time": TIME}).slice(0, 0), None, "time") is None


@pytest.mark.parametrize(
    ("columns", "arguments", "expected"),
    [
        pytest.param(
            {"v": V}, {}, "no column 'time' with the times; there are 'v'. Name it by time_column", id="no-time"
        ),
        pytest.param(
            {"v": V, "time": pa.array([1, None])}, {}, "'time' has 1 nulls, but each row needs a time", id="null-time"
        ),
        pytest.param(
            {"v": V, "time": pa.array(["x", "y"])}, {}, "'time' holds string; times are timestamps", id="text-time"
        ),
        pytest.param(
            {"v": V, "time": pa.array([2**40, 0], pa.timestamp("s"))}, {}, "'time': Casting from", id="far-time"
        ),
        pytest.param(
            {"v": V, "time": pa.array([2**64 - 1, 0], pa.uint64())}, {}, "'time': Integer value 1844", id="large-time"
        ),
        pytest.param(
            {"v": V, "time": TIME, "at": TIME}, {"time_column": "at"}, "'time' holds the times, so it", id="two-times"
        ),
        pytest.param({"v": V, "time": TIME}, {"time_column": None}, "'time' holds the times, so it", id="time-unused"),
        pytest.param(
            {"v": V, "time": TIME},
            {"tags": ["host"]},
            "no column 'host' to be a tag; there are 'v', 'time'",
            id="no-tag",
        ),
        pytest.param(
            {"v": V, "n": V, "time": TIME}, {"tags": ["n"]}, "'n' holds double; a tag is text, so cast", id="tag-type"
        ),
        pytest.param(
            {"v": V, "t": ["", "x"], "time": TIME}, {"tags": ["t"]}, "'t' has '' as value of a tag", id="empty-tag"
        ),
        pytest.param(
            {"v": V, "t": ["a\nb", "x"], "time": TIME}, {"tags": ["t"]}, "'t' has 'a\\\\nb' as value", id="line-feed"
        ),
        pytest.param(
            {"v": V, "t": ["a\\", "x"], "time": TIME}, {"tags": ["t"]}, "end with a backslash", id="backslash"
        ),
        pytest.param(
            {"v": [1.0, float("nan")], "time": TIME}, {}, "'v' has 1 values that are NaN or infinite", id="nan"
        ),
        pytest.param(
            {"v": [float("inf")] * 2, "time": TIME}, {}, "'v' has 2 values that are NaN or infinite", id="infinite"
        ),
        pytest.param(
            {"v": TIME, "time": TIME},
            {},
            "'v' holds timestamp.ns.; a field holds .*; cast it to int64",
            id="time-field",
        ),
        pytest.param(
            {"v": [decimal.Decimal("1.5")] * 2, "time": TIME}, {}, "'v' holds decimal.*cast it to float64", id="decimal"
        ),
        pytest.param({"v": [[1], [2]], "time": TIME}, {}, "'v' holds list.*write its parts as columns", id="list"),
        pytest.param(
            {"v": [b"x", b"y"], "time": TIME}, {}, "'v' holds binary; a field holds integers, floats, boo", id="bytes"
        ),
        pytest.param({"time": TIME}, {}, "2 rows have no value in any field; the first is row 0", id="no-field"),
        pytest.param(
            {"a": [1, None], "b": [None, None], "time": TIME}, {}, "1 rows have no .* is row 1", id="empty-row"
        ),
        pytest.param({"": V, "time": TIME}, {}, "'' is no column; it must not be empty", id="no-name"),
        pytest.param({"a\nb": V, "time": TIME}, {}, r"'a\\nb' is no column", id="name-with-line-feed"),
        pytest.param(
            {"v": ["x" * (MOST_STRING_BYTES + 1), ""], "time": TIME}, {}, "'v' has a text of 1048577 bytes", id="long"
        ),
    ],
)
def test_what_cannot_be_written_is_refused_by_the_column_s_name(
    columns: dict[str, Any], arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValueError, match=f"^write_arrow: .*{expected}"):
        arrow_rows("m", pa.table(columns), **({"tags": None, "time_column": "time"} | arguments))


def test_damaged_data_is_refused() -> None:
    """Buffers put together by hand may point anywhere."""
    wild = pa.DictionaryArray.from_arrays(pa.array([0, 77], pa.int32()), ["a"], safe=False)
    with pytest.raises(ValueError, match=r"write_arrow: the data is damaged: .*indices"):
        arrow_rows("m", pa.table({"t": wild, "v": V, "time": TIME}), None, "time")


def test_column_must_not_stand_twice() -> None:
    table = pa.Table.from_arrays([V, V, TIME], names=["v", "v", "time"])
    with pytest.raises(ValueError, match="there are 2 columns called 'v'"):
        arrow_rows("m", table, None, "time")


@pytest.mark.parametrize("name", ["", "a\nb", "a\\"])
def test_table_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no table name"):
        arrow_rows(name, pa.table({"v": V, "time": TIME}), None, "time")


@pytest.mark.parametrize("data", [None, [1], {"v": [1]}, "m v=1"])
def test_other_data_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match=f"'data': '{type(data).__name__}' object is no table; give a pyarrow.Table"):
        arrow_rows("m", data, None, "time")


@pytest.mark.parametrize("tags", ["host", [1], 5])
def test_tags_are_a_sequence_of_names(tags: Any) -> None:
    with pytest.raises(TypeError, match=f"'tags': .*{tags!r}.* is no sequence of column names".replace("[1]", ".1.")):
        arrow_rows("m", pa.table({"v": V, "time": TIME}), tags, "time")
