import numpy as np
import pyarrow as pa
import pytest

from engine.columns.types import ARROW, TAG_TYPE
from engine.lineprotocol.fitting import ShapedRows
from engine.lineprotocol.lines import parse_line
from engine.lineprotocol.shapes import rows_of, shape_of
from engine.lineprotocol.texts import Texts
from engine.lineprotocol.tokens import scan

FIRST = 'table_name,tag_key_1=a,t=b float=1.5,int=1i,uint=1u,bool=t,string="x" 5'


def shaped(tokens, first, lines):
    """Return the physical ``lines``, held against the shape of ``first``."""
    return ShapedRows(tokens, Texts(tokens), shape_of(parse_line(first)), rows_of(tokens, np.array(lines)))


def fits(line, first=FIRST):
    """Return whether ``line`` has the shape of ``first``, as one row among good ones."""
    tokens = scan(f"{first}\n{line}\n{first}\n".encode(), 1000)
    if tokens.counts[0] != tokens.counts[1]:
        return False
    before, answer, after = shaped(tokens, first, range(3)).fits().tolist()
    assert before
    assert after
    return answer


@pytest.mark.parametrize(
    "change",
    [
        ("=a,", "=another_value,"),
        ("=a,", "=ä,"),
        ("1.5", "-2"),
        ("1.5", "1E-5"),
        ("1i", "-9223372036854775808i"),
        ("1u", "18446744073709551615u"),
        ("=t,", "=FALSE,"),
        ('"x"', '""'),
        ('"x"', '"a, b=c \\"q\\""'),
        (" 5", " -5"),
        (" 5", " 1700000000000000000"),
    ],
)
def test_line_has_the_shape(change):
    assert fits(FIRST.replace(*change))


@pytest.mark.parametrize(
    "change",
    [
        ("table_name", "table_nama"),
        ("table_name", "table_nam"),
        ("tag_key_1", "tag_key_2"),
        (",t=", ",u="),
        (",t=", ",t2="),
        ("int", "Int"),
        (",t=b float", ",t=b,float"),
        (",t=b float=1.5", " t=b,float=1.5"),
        ("=a,", "=,"),
        ("=1.5", "=.5"),
        ("=1.5", "=5."),
        ("=1.5", "=+5"),
        ("=1.5", "=-.5"),
        ("=1.5", "=1.e5"),
        ("=1.5", "=nan"),
        ("=1.5", "=inf"),
        ("=1.5", "=1i"),
        ("=1.5", "=t"),
        ("=1.5", '="x"'),
        ("=1.5", "="),
        ("=1i", "=1"),
        ("=1i", "=1u"),
        ("=1i", "=i"),
        ("=1i", "=-i"),
        ("=1i", "=+1i"),
        ("=1i", "=0x1i"),
        ("=1u", "=-1u"),
        ("=1u", "=0X1u"),
        ("=t,", "=1,"),
        ("=t,", "=,"),
        ('"x"', "1"),
        ('"x"', "x"),
        (" 5", " +5"),
        (" 5", " 5i"),
        (" 5", " 0x5"),
        (" 5", " "),
    ],
)
def test_line_has_another_shape(change):
    assert not fits(FIRST.replace(*change))


def test_what_looks_like_an_odd_number_may_stand_in_a_tag_or_a_string():
    assert fits(FIRST.replace("=a,", "=web.east-0x1,").replace('"x"', '"1.e5 0x1"'))


def test_only_the_lines_of_a_series_with_another_tag_key_have_another_shape():
    lines = ["m,t=a f=1", "m,u=a f=1", "m,t=b f=1", "m,u=a f=2", "m,t=a f=x", "m,t=a g=1"]
    tokens = scan("".join(f"{line}\n" for line in lines).encode(), 1000)
    assert shaped(tokens, lines[0], range(6)).fits().tolist() == [True, False, True, False, False, False]


def read(*lines, chosen=None):
    tokens = scan("".join(f"{line}\n" for line in lines).encode(), 1000)
    chosen = range(len(lines)) if chosen is None else chosen
    return shaped(tokens, lines[chosen[0]], chosen).columns()


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


def test_many_numbers_are_converted_part_by_part():
    lines = [",".join(f"f{i}={n}.{i}" for i in range(200)) for n in range(1_000)]
    columns = read(*(f"m {line} {n}" for n, line in enumerate(lines)))
    assert columns.fields[0].to_pylist() == [float(n) for n in range(1_000)]
    assert columns.fields[199].to_pylist() == [n + 0.199 for n in range(1_000)]
    assert columns.time.to_pylist() == list(range(1_000))


def test_fields_of_one_type_may_stand_at_uneven_places():
    columns = read("m a=1,b=2i,c=3,d=4,e=5i 6", "m a=-1,b=-2i,c=-3,d=-4,e=-5i -6")
    assert [column.to_pylist() for column in columns.fields] == [[1, -1], [2, -2], [3, -3], [4, -4], [5, -5]]
