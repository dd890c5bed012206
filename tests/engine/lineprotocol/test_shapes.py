import numpy as np
import pytest

from engine.lineprotocol.lines import parse_line
from engine.lineprotocol.shapes import rows_of, shape_of
from engine.lineprotocol.tokens import scan
from engine.model.schema import ColumnType

LINE = 'table,tag=a,t=b float=1.5,int=1i,g=2,string="x" 5'


def test_a_shape_names_its_tokens():
    shape = shape_of(parse_line(LINE))
    assert shape.kinds == b",=,= =,=,=,= \n"
    assert shape.names == (
        (0, b"table"),
        (1, b"tag"),
        (3, b"t"),
        (5, b"float"),
        (7, b"int"),
        (9, b"g"),
        (11, b"string"),
    )
    assert shape.tag_places == (2, 4)
    assert shape.field_places == (6, 8, 10, 12)
    assert shape.time_place == 13


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        (ColumnType.FLOAT, [6, 10]),
        (ColumnType.INTEGER, [8]),
        (ColumnType.STRING, [12]),
        (ColumnType.BOOLEAN, []),
        (ColumnType.TIME, [13]),
    ],
)
def test_places_of_a_type(kind, places):
    shape = shape_of(parse_line(LINE))
    assert shape.places(kind) == places
    assert (kind in shape.kinds_of_values) == bool(places)


def test_a_line_may_have_no_timestamp():
    shape = shape_of(parse_line("m f=1"))
    assert (shape.kinds, shape.time_place, shape.places(ColumnType.TIME)) == (b" =\n", None, [])
    assert shape.kinds_of_values == [ColumnType.FLOAT]


@pytest.mark.parametrize("lines", [[0, 1, 2], [0, 2, 4]])
def test_rows_may_lie_apart(lines):
    body = b"a f=1\nb f=22\na f=2\nb f=1\na f=x\n"
    tokens = scan(body, 1000)
    rows = rows_of(tokens, np.array(lines))
    ends = np.cumsum([len(line) for line in body.splitlines(keepends=True)])[lines] - 1
    assert rows.stops[:, -1].tolist() == ends.tolist()
    assert [row.tobytes() for row in rows.kinds] == [b" =\n"] * 3
    assert rows.select(np.array([False, True, True])).lines.tolist() == lines[1:]
