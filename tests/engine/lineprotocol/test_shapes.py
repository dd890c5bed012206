import numpy as np
import pytest

from engine.lineprotocol.lines import parse_line
from engine.lineprotocol.shapes import has_shape, rows_of, shape_of
from engine.lineprotocol.tokens import scan

FIRST = 'table_name,tag_key_1=a,t=b float=1.5,int=1i,uint=1u,bool=t,string="x" 5'


def fits(line, first=FIRST):
    """Return whether ``line`` has the shape of ``first``, as one row among good ones."""
    tokens = scan(f"{first}\n{line}\n{first}\n".encode(), 1000)
    if tokens.counts[0] != tokens.counts[1]:
        return False
    before, answer, after = has_shape(tokens, shape_of(parse_line(first)), rows_of(tokens, np.arange(3))).tolist()
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


def test_rows_may_lie_apart():
    tokens = scan(b"a f=1\nb f=1\na f=2\nb f=1\na f=x\n", 1000)
    rows = rows_of(tokens, np.array([0, 2, 4]))
    assert has_shape(tokens, shape_of(parse_line("a f=1")), rows).tolist() == [True, True, False]
    assert rows.select(np.array([False, True, True])).lines.tolist() == [2, 4]
