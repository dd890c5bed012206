import numpy as np
import pyarrow as pa
import pytest

from engine.columns.types import ARROW, TAG_TYPE
from engine.lineprotocol.csv_rows import CsvRows
from engine.lineprotocol.lines import parse_line
from engine.lineprotocol.shapes import rows_of, shape_of
from engine.lineprotocol.tokens import scan


def read(*lines, chosen=None):
    tokens = scan("".join(f"{line}\n" for line in lines).encode(), 1000)
    chosen = np.arange(len(lines)) if chosen is None else np.array(chosen)
    return CsvRows(tokens).read(shape_of(parse_line(lines[chosen[0]])), rows_of(tokens, chosen))


def test_values_become_columns_of_their_types():
    line = 'm,t=a f=-1.5e3,i=-5i,u=7u,b=T,s="x y" 1700000000000000000'
    columns = read(line, line.replace("=a", "=NaN").replace("T", "False").replace("x y", ""))
    assert [column.to_pylist() for column in columns.tags] == [["a", "NaN"]]
    assert [column.type for column in columns.tags] == [TAG_TYPE]
    assert [column.to_pylist() for column in columns.fields] == [
        [-1500.0, -1500.0],
        [-5, -5],
        [7, 7],
        [True, False],
        ["x y", ""],
    ]
    assert [column.type for column in columns.fields] == [ARROW[kind] for _, kind in parse_line(line).fields]
    assert columns.time.to_pylist() == [1700000000000000000] * 2


def test_strings_come_back_as_they_were():
    columns = read(r'm s="say \"hi\", \\ b=c\d",n=1', 'm s="a\rb,\tc",n=2')
    assert columns.fields[0].to_pylist() == [r'say "hi", \ b=c\d', "a\rb,\tc"]
    assert columns.time is None


def test_lines_that_lie_apart_are_gathered():
    columns = read("a f=1i", 'b s="x"', "a f=22i", "", "a f=333i", chosen=[0, 2, 4])
    assert columns.fields[0].to_pylist() == [1, 22, 333]


@pytest.mark.parametrize("value", ["1_000i", "9223372036854775808i"])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(pa.ArrowInvalid):
        read("m f=1i", f"m f={value}")
