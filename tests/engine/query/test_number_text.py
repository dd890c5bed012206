import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.query.number_text import float_json, float_text
from tests.support.tables import RustWriters

TYPES = [pa.float64(), pa.float32()]
EDGES = [
    *(
        sign * base * step
        for sign in (1, -1)
        for base in (1e-6, 1e-5, 1e10, 1e13, 1e15, 1e16)
        for step in (0.99, 1, 1.01)
    ),
    *(float(np.nextafter(limit, side)) for limit in (1e-6, 1e-5, 1e10, 1e13, 1e16) for side in (0, 1e300)),
    *(0.0, -0.0, 0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 9.9e-6, 123456789012345.6, 2.0),
    *(float("nan"), float("inf"), float("-inf")),
]


@pytest.mark.parametrize(
    ("number", "in_json", "shown"),
    [
        (2.0, "2.0", "2.0"),
        (0.00001, "0.00001", "0.00001"),
        (9999999999.9, "9999999999.9", "9999999999.9"),
        (-0.0, "-0.0", "-0.0"),
        (1e10, "1.0e10", "10000000000.0"),
        (1234567890125e0, "1.234567890125e12", "1234567890125.0"),
        (9.9e-6, "9.9e-6", "9.9e-6"),
        (1e-6, "1.0e-6", "1e-6"),
        (1e300, "1.0e300", "1e300"),
        (1e15, "1.0e15", "1000000000000000.0"),
        (1e16, "1.0e16", "1e16"),
        (1.2345678901234568e16, "1.2345678901234568e16", "1.2345678901234568e16"),
        (float("nan"), "null", "NaN"),
        (float("inf"), "null", "inf"),
        (float("-inf"), "null", "-inf"),
    ],
)
def test_floats_have_the_form_of_server_api_1_9(number: float, in_json: str, shown: str) -> None:
    values = pa.array([number, None])
    assert (float_json(values).to_pylist(), float_text(values).to_pylist()) == ([in_json, None], [shown, None])


def test_no_floats_have_no_text() -> None:
    assert len(float_text(pa.array([], pa.float64()))) == len(float_json(pa.array([], pa.float64()))) == 0


def any_bits(number: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", number))[0]
    return value


NUMBERS = st.one_of(
    st.floats(),
    st.integers(0, 2**64 - 1).map(any_bits),
    st.floats(1e-7, 1e-4),
    st.floats(1e9, 1e17),
    st.integers(-(2**53), 2**53).map(float),
    st.decimals(-(10**6), 10**6, places=3).map(float),
)


@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.one_of(st.none(), NUMBERS), min_size=20, max_size=200), type_=st.sampled_from(TYPES))
def test_floats_read_as_those_of_the_rust_writers(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float | None], type_: pa.DataType
) -> None:
    assert_as_written(tmp_path_factory.mktemp("written"), array_of(numbers, type_))


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_floats_at_the_edges_read_as_those_of_the_rust_writers(tmp_path: Path, type_: pa.DataType) -> None:
    assert_as_written(tmp_path, array_of(EDGES, type_))


def test_many_floats_read_as_those_of_the_rust_writers(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    of_every_size = random.random(3000) * 10.0 ** random.integers(-10, 20, 3000)
    of_all_bits = random.integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64)
    assert_as_written(tmp_path, pa.array(np.concatenate([of_every_size, of_all_bits])))


def array_of(numbers: list[float | None], type_: pa.DataType) -> pa.Array:
    with np.errstate(over="ignore"):
        cast = np.dtype(type_.to_pandas_dtype()).type
        return pa.array([None if number is None else float(cast(number)) for number in numbers], type_)


def assert_as_written(folder: Path, column: pa.Array) -> None:
    """Compare with the rust writers.

    Where two texts are equally good, the JSON writer takes the other one for floats of 32 bits, and for doubles whose
    neighbours are whole numbers apart; then it is enough that both texts mean the same float.
    """
    batch, writers = pa.record_batch({"x": column, "y": pa.array([1] * len(column))}), RustWriters(folder)
    shown = [line.split(",")[0] for line in writers.csv(batch).decode().split()[1:]]
    assert [text or "" for text in float_text(column).to_pylist()] == shown
    written = [line[1:-1].removeprefix('"x":').rsplit(',"y"')[0] for line in writers.json_lines(batch).decode().split()]
    ours = [text or '"y":1' for text in float_json(column).to_pylist()]
    odd = [(mine, theirs) for mine, theirs in zip(ours, written, strict=True) if mine != theirs]
    assert all(same_float(*texts, column.type) for texts in odd)
    assert pa.types.is_float32(column.type) or all(abs(float(mine)) >= 2**53 for mine, _ in odd)


def same_float(mine: str, theirs: str, type_: pa.DataType) -> bool:
    values = pa.array([mine, theirs]).cast(type_)
    return bool(values[0] == values[1] and ("e" in mine) == ("e" in theirs))
