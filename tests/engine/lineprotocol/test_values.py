import pyarrow as pa
import pytest

from engine.lineprotocol.values import are_numbers, numbers, spelled_booleans
from engine.model.schema import ColumnType


def flags(*texts, **options):
    return are_numbers(pa.array(texts, pa.string()), **options).tolist()


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "-0.25", "1e5", "1E-5", "1.5e+3", "007", "123456789.123"])
def test_a_number(text):
    assert flags("1", text, "2") == [True, True, True]


@pytest.mark.parametrize(
    "text",
    ["", "-", ".5", "1.", "-.5", "+1", "nan", "inf", "-inf", "1.e5", "1.E5", "0x1", "-0X1", "x", "1e", "--1", "t", "i"],
)
def test_no_number(text):
    assert flags("1", text, "2") == [True, False, True]
    assert flags(text) == [False]
    assert flags("1", text) == [True, False]


def test_signs():
    assert flags("1", "-1", has_sign=False) == [True, False]


def test_nothing():
    assert flags() == []


def test_booleans():
    texts = pa.array(["t", "F", "tr", "true", "", "FALSE", "1"])
    assert spelled_booleans(texts).tolist() == [1, 0, -1, 1, -1, 0, -1]


@pytest.mark.parametrize(
    ("kind", "texts", "values"),
    [
        (ColumnType.FLOAT, ["1", "-0.5", "1e400"], [1.0, -0.5, float("inf")]),
        (ColumnType.INTEGER, ["-9223372036854775808"], [-(2**63)]),
        (ColumnType.UINTEGER, ["18446744073709551615"], [2**64 - 1]),
        (ColumnType.TIME, ["5"], [5]),
    ],
)
def test_numbers(kind, texts, values):
    assert numbers(pa.array(texts), kind).to_pylist() == values


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ColumnType.FLOAT, "1_0"),
        (ColumnType.INTEGER, "9223372036854775808"),
        (ColumnType.UINTEGER, "-1"),
        (ColumnType.TIME, "1.5"),
    ],
)
def test_what_is_no_number_is_refused(kind, text):
    with pytest.raises(pa.ArrowInvalid):
        numbers(pa.array([text]), kind)
