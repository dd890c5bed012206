import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import QueryFailed
from engine.query.cell_text import display_text, is_nested, json_cells, json_escaped, json_objects
from engine.query.text_arrays import repeated

TAG = pa.dictionary(pa.int32(), pa.string())
LIST = pa.list_(pa.int64())
SELECTED = pa.struct([("value", pa.float64()), ("time", pa.timestamp("ns"))])


@pytest.mark.parametrize(
    ("values", "in_json", "shown"),
    [
        (pa.array([-1, None]), ["-1", None], ["-1", None]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"], ["18446744073709551615"]),
        (pa.array([True, False, None]), ["true", "false", None], ["true", "false", None]),
        (pa.array(['a"b', None, ""]), ['"a\\"b"', None, '""'], ['a"b', None, ""]),
        (pa.array(["é\n", None], pa.string_view()), ['"é\\n"', None], ["é\n", None]),
        (pa.array(["x"], pa.large_string()), ['"x"'], ["x"]),
        (pa.array(["a", None, "a"]).dictionary_encode().cast(TAG), ['"a"', None, '"a"'], ["a", None, "a"]),
        (pa.array([None, None]), [None, None], [None, None]),
        (pa.array([Decimal("1.50"), Decimal("-0.05"), None]), ["1.50", "-0.05", None], ["1.50", "-0.05", None]),
        (pa.array([Decimal("1E-10")], pa.decimal128(20, 10)), ["0.0000000001"], ["0.0000000001"]),
        (pa.array([b"\xff\x00", None]), ['"ff00"', None], ["ff00", None]),
        (pa.array([[1, None, 2], [], None], LIST), ["[1,null,2]", "[]", None], ["[1, , 2]", "[]", None]),
        (pa.array([["a,", None]], pa.list_(pa.string())), ['["a,",null]'], ["[a,, ]"]),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), ["[1,2]"], ["[1, 2]"]),
        (
            pa.array([{"value": 1.5, "time": 5}, {"value": None, "time": 0}, None], SELECTED),
            ['{"value":1.5,"time":"1970-01-01T00:00:00.000000005"}', '{"time":"1970-01-01T00:00:00"}', None],
            ["{value: 1.5, time: 1970-01-01T00:00:00.000000005}", "{value: , time: 1970-01-01T00:00:00}", None],
        ),
        (
            pa.array([[("a", None), ("b", 1)], [], None], pa.map_(pa.string(), pa.int64())),
            ['{"b":1}', "{}", None],
            ["{a: , b: 1}", "{}", None],
        ),
    ],
    ids=lambda values: str(values.type) if isinstance(values, pa.Array) else "",
)
def test_values_have_the_form_of_server_api_1_9(values: pa.Array, in_json: list[str], shown: list[str]) -> None:
    assert json_cells(values).quoted().to_pylist() == in_json
    assert display_text(values).to_pylist() == shown
    # The same values as part of a longer array, as batches of a table are.
    longer = pa.concat_arrays([values, values]).slice(len(values))
    assert (json_cells(longer).quoted().to_pylist(), display_text(longer).to_pylist()) == (in_json, shown)


def test_a_dictionary_that_is_longer_than_its_column_is_decoded() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([2, None], pa.int32()), pa.array(["a", "b", "c"]))
    assert json_cells(values).quoted().to_pylist() == ['"c"', None]


def test_a_type_without_text_is_refused_with_its_name() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(QueryFailed, match="union"):
        display_text(union)


@pytest.mark.parametrize(
    ("rows", "objects"),
    [
        pytest.param([{"a": 1, "b": 2}], ['{"a":1,"b":2}'], id="no nulls"),
        pytest.param([{"a": 1}, {"b": 2}, {"c": 3}], ['{"a":1}', '{"b":2}', '{"c":3}'], id="nulls in every column"),
        pytest.param([{}, {"b": 2}], ["{}", '{"b":2}'], id="a row of nulls"),
        pytest.param(
            [{"a": 1, "b": 2, "c": 3}, {"b": 2}], ['{"a":1,"b":2,"c":3}', '{"b":2}'], id="whole in the middle"
        ),
        pytest.param([{"a": 1, "c": 3}, {"a": 1, "b": 2}], ['{"a":1,"c":3}', '{"a":1,"b":2}'], id="whole at the start"),
        pytest.param([{"c": 3}, {"b": 2, "c": 3}], ['{"c":3}', '{"b":2,"c":3}'], id="whole at the end"),
    ],
)
def test_null_members_are_left_out_with_their_commas(rows: list[dict[str, int]], objects: list[str]) -> None:
    columns = [pa.array([row.get(name) for row in rows], pa.int64()) for name in "abc"[: 3 if "c" in str(rows) else 2]]
    assert json_objects("abc"[: len(columns)], columns).to_pylist() == objects


COLUMNS = st.sampled_from(
    [
        pa.array([1, -2, 3]),
        pa.array([1.5, 1e-5, -0.0]),
        pa.array([1e10, float("nan"), 2.0]),
        pa.array([True, False, True]),
        pa.array(["a", 'b"', ""]),
        pa.array(["a", "b,", "a"]).dictionary_encode(),
        pa.array([0, 5, 10**18], pa.timestamp("ns")),
        pa.array([[1], [], [2, 3]]),
    ]
)


@given(columns=st.lists(st.tuples(COLUMNS, st.lists(st.booleans(), min_size=3, max_size=3)), min_size=1, max_size=6))
def test_objects_are_their_members_side_by_side(columns: list[tuple[pa.Array, list[bool]]]) -> None:
    arrays = [
        values.take(pa.array([i if kept else None for i, kept in enumerate(keep)], pa.int32()))
        for values, keep in columns
    ]
    names = [f"c{number}" for number in range(len(arrays))]
    cells = [json_cells(array).quoted().to_pylist() for array in arrays]
    members = [[text and f'"{name}":{text}' for text in texts] for name, texts in zip(names, cells, strict=True)]
    rows = zip(*members, strict=True)
    expected = ["<{" + ",".join(member for member in row if member) + "}>" for row in rows]
    assert json_objects(names, arrays, before="<", after=">").to_pylist() == expected


def test_names_of_members_are_escaped_and_may_repeat() -> None:
    assert json_objects(['a"b', "x", "x"], [pa.array([1])] * 3)[0].as_py() == '{"a\\"b":1,"x":1,"x":1}'


@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=20))
def test_escaped_text_reads_back(texts: list[str]) -> None:
    assert [json.loads(f'"{text}"') for text in json_escaped(pa.array(texts, pa.string())).to_pylist()] == texts


@pytest.mark.parametrize(
    ("type_", "nested"), [(TAG, False), (LIST, True), (SELECTED, True), (pa.string(), False)], ids=str
)
def test_only_types_that_hold_others_are_nested(type_: pa.DataType, nested: bool) -> None:
    assert is_nested(type_) is nested


REPEATED = [0.0, -0.0, 1e10, float("nan"), float("inf"), 1.5, None]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.array(REPEATED * 200), id="floats"),
        pytest.param(pa.array(REPEATED * 200, pa.float32()), id="single floats"),
        pytest.param(pa.array([0, 5, 10**18, None] * 300, pa.timestamp("ns")), id="times"),
        pytest.param(pa.array([0, 5, None] * 300, pa.timestamp("s", "Europe/Berlin")), id="times of a zone"),
        pytest.param(pa.array(["a", None, 'b"'] * 300).dictionary_encode(), id="tags"),
    ],
)
def test_values_that_repeat_have_the_text_that_each_has_alone(values: pa.Array) -> None:
    alone = [json_cells(values.slice(i, 1)).quoted()[0].as_py() for i in range(8)]
    assert pa.types.is_dictionary(values.type) or repeated(values) is not None
    assert json_cells(values).quoted().to_pylist()[:8] == alone
    assert display_text(values).to_pylist()[:8] == [display_text(values.slice(i, 1))[0].as_py() for i in range(8)]
    objects = json_objects(["n", "v", "k"], [pa.array(range(len(values))), values, pa.array(["x"] * len(values))])
    members = ["" if text is None else f',"v":{text}' for text in alone]
    assert objects.to_pylist()[:8] == [f'{{"n":{i}{member},"k":"x"}}' for i, member in enumerate(members)]


def test_values_of_which_few_repeat_are_written_one_by_one() -> None:
    assert repeated(pa.array([float(i) for i in range(2000)])) is None
    assert repeated(pa.array([1.5] * 300 + [float(i) for i in range(2000)])) is None
