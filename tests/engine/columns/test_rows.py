import datetime
import decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.rows import FEW_ROWS, column_values, row_dicts, table_rows

PAIR = pa.struct([("a", pa.timestamp("s")), ("b", pa.list_(pa.int64()))])


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, type=kind)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        *(pytest.param(array([1, None], t), [1, None], id=str(t)) for t in (pa.int8(), pa.int64(), pa.uint64())),
        *(
            pytest.param(array([1.5, None], t), [1.5, None], id=str(t))
            for t in (pa.float16(), pa.float32(), pa.float64())
        ),
        *(
            pytest.param(array(["ä", None], t), ["ä", None], id=str(t))
            for t in (pa.string(), pa.large_string(), pa.string_view())
        ),
        pytest.param(array([b"a", None], pa.binary()), [b"a", None], id="binary"),
        pytest.param(array([True, None], pa.bool_()), [True, None], id="bool"),
        pytest.param(array([None, None], pa.null()), [None, None], id="null"),
        *(
            pytest.param(array([5, None], pa.timestamp(unit, zone)), [5 * ns, None], id=f"timestamp-{unit}-{zone}")
            for unit, ns in (("s", 10**9), ("ms", 10**6), ("us", 1000), ("ns", 1))
            for zone in (None, "UTC", "Europe/Berlin")
        ),
        pytest.param(array([2**62 // 1000], pa.timestamp("us")), [2**62 // 1000 * 1000], id="late-timestamp"),
        pytest.param(array([5, None], pa.duration("ms")), [5_000_000, None], id="duration"),
        pytest.param(array([datetime.date(2024, 2, 29), None], pa.date32()), ["2024-02-29", None], id="date32"),
        pytest.param(array([datetime.date(2024, 2, 29), None], pa.date64()), ["2024-02-29", None], id="date64"),
        pytest.param(array([5, None], pa.time64("ns")), ["00:00:00.000000005", None], id="time64"),
        *(
            pytest.param(array([decimal.Decimal("1.50"), None], t), [1.5, None], id=str(t))
            for t in (pa.decimal32(5, 2), pa.decimal128(10, 2), pa.decimal256(40, 2))
        ),
        *(
            pytest.param(array([[1, None], None, []], t), [[10**6, None], None, []], id=str(t))
            for t in (
                pa.list_(pa.timestamp("ms")),
                pa.large_list(pa.timestamp("ms")),
                pa.list_view(pa.timestamp("ms")),
            )
        ),
        pytest.param(array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None], id="fixed-size-list"),
        pytest.param(
            array([[("a", 1)], None, []], pa.map_(pa.string(), pa.timestamp("s"))), [{"a": 10**9}, None, {}], id="map"
        ),
        pytest.param(array([{"a": 1, "b": [1]}, None], PAIR), [{"a": 10**9, "b": [1]}, None], id="struct"),
        pytest.param(pc.run_end_encode(array([1, 1, 2], pa.int64())), [1, 1, 2], id="run-ends"),
        pytest.param(array([(1, 2, 3)], pa.month_day_nano_interval()), [(1, 2, 3)], id="interval"),
        pytest.param(pa.chunked_array([array([1], pa.int8()), array([2], pa.int8())]), [1, 2], id="chunks"),
        pytest.param(pa.chunked_array([], type=pa.int8()), [], id="no-chunks"),
        pytest.param(
            pa.ExtensionArray.from_storage(pa.opaque(pa.timestamp("s"), "t", "v"), array([1], pa.timestamp("s"))),
            [10**9],
            id="extension",
        ),
    ],
)
def test_values_of_every_type_are_plain(column: pa.Array, expected: list[Any]) -> None:
    """B6.8, processing-engine §4.4."""
    values = column_values(column)
    assert values == expected
    assert [type(v) for v in values if not isinstance(v, tuple)] == [
        type(v) for v in expected if not isinstance(v, tuple)
    ]
    assert column_values(column[1:]) == expected[1:]


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ü"])), max_size=40), st.integers(0, 40))
def test_tags_are_their_texts(texts: list[str | None], start: int) -> None:
    """B6.4."""
    tags = pa.array(texts, type=pa.string()).dictionary_encode().cast(pa.dictionary(pa.int32(), pa.string()))
    assert column_values(tags) == texts
    assert column_values(tags.slice(start)) == texts[start:]


@given(
    st.lists(st.text(max_size=3), max_size=5, unique=True),
    st.sampled_from([0, 1, FEW_ROWS - 1, FEW_ROWS, FEW_ROWS + 1]),
)
def test_rows_are_the_same_however_many_there_are(names: list[str], count: int) -> None:
    columns = [[(i, name) for i in range(count)] for name in names]
    assert row_dicts(names, columns, count) == [{name: (i, name) for name in names} for i in range(count)]


def test_of_equal_names_the_last_one_holds() -> None:
    for count in (1, FEW_ROWS):
        assert row_dicts(["a", "a"], [[1] * count, [2] * count], count) == [{"a": 2}] * count


def test_table_gives_its_rows_in_order() -> None:
    table = pa.concat_tables(
        [pa.table({"b": [1], "a": ["x"]}), pa.table({"b": [2], "a": [None]})], promote_options="default"
    )
    rows = table_rows(table)
    assert rows == [{"b": 1, "a": "x"}, {"b": 2, "a": None}]
    assert list(rows[0]) == ["b", "a"]


def test_rows_may_be_changed_one_by_one() -> None:
    first, second = table_rows(pa.table({"a": [1, 1]}))
    first["a"] = 2
    assert second == {"a": 1}
