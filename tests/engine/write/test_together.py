import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lineprotocol.body import parse_body
from engine.model.precision import Precision
from engine.model.schema import Column, ColumnType, TableSchema
from engine.write.together import parse_rows, plan_together
from engine.write.validator import plan_write

NOW_NS = 1_700_000_000_123_456_789
CPU = TableSchema(1, 11, "cpu", (Column("v", ColumnType.FLOAT), Column("time", ColumnType.TIME)))


def find(name: str) -> TableSchema | None:
    return CPU if name == "cpu" else None


@pytest.mark.parametrize(
    ("body", "precision", "times"),
    [
        pytest.param("cpu v=1 5\n# words\n\n  cpu v=2 6\n", Precision.NANOSECOND, [5, 6], id="as it is"),
        pytest.param("cpu v=1", Precision.NANOSECOND, [NOW_NS], id="received now"),
        pytest.param("cpu v=1\ncpu v=1 7", Precision.SECOND, [1_700_000_000 * 10**9, 7 * 10**9], id="seconds"),
        pytest.param('cpu v="two\nlines" 1', Precision.NANOSECOND, [1], id="line break in a text"),
        pytest.param('cpu v="open 1', Precision.NANOSECOND, None, id="open quote"),
        pytest.param("cpu v=1 1\ncpu v=", Precision.NANOSECOND, None, id="one that does not parse"),
        pytest.param("cpu v=1 9223372037", Precision.SECOND, None, id="out of range"),
        pytest.param("\n# nothing\n", Precision.NANOSECOND, None, id="nothing"),
    ],
)
def test_rows_of_a_body(body: str, precision: Precision, times: list[int] | None) -> None:
    rows = parse_rows(body, precision, NOW_NS)
    assert (rows and [row.time_ns for row in rows]) == times


@pytest.mark.parametrize(
    ("bodies", "taken"),
    [
        pytest.param(["cpu v=1", "mem v=1i", "cpu v=2,w=3"], [0, 1, 2], id="all fit"),
        pytest.param(["cpu v=1", 'cpu v="text"', "cpu v=2"], [0, 2], id="another type"),
        pytest.param(["mem v=1", "mem v=1i", "mem v=2"], [0, 2], id="the first one decides"),
        pytest.param(
            ["mem v=1i\ncpu v=t", "mem v=1", "mem v=2i"], [2], id="one that fits without another is left out, too"
        ),
        pytest.param(["cpu time=1", "cpu v=true"], [], id="none fits"),
        pytest.param([], [], id="none"),
    ],
)
def test_bodies_that_do_not_fit_are_left_out_whole(bodies: list[str], taken: list[int]) -> None:
    parsed = [parse_rows(body, Precision.NANOSECOND, NOW_NS) or [] for body in bodies]
    together = plan_together(parsed, find)
    assert list(together.taken) == taken
    assert sum(table.row_count for table in together.plan.tables) == sum(len(parsed[i]) for i in taken)


_lines = st.sampled_from(
    ["cpu v=1 1", "cpu,t=a v=2 2", "mem v=1i 3", "mem v=1 4", "cpu w=1,v=3 5", "cpu v=t 6", "mem x=2 7"]
)
_bodies = st.lists(st.lists(_lines, min_size=1, max_size=4).map("\n".join), max_size=6)


@given(_bodies)
def test_what_is_taken_is_what_one_body_of_it_would_be(bodies: list[str]) -> None:
    parsed = [parse_rows(body, Precision.NANOSECOND, NOW_NS) or [] for body in bodies]
    together = plan_together(parsed, find)
    joined = "\n".join(bodies[i] for i in together.taken)
    alone = plan_write(parse_body(joined.encode(), Precision.NANOSECOND, NOW_NS), find)
    assert not alone.rejected
    for one, other in itertools.zip_longest(together.plan.tables, alone.tables):
        assert (one.name, one.base, one.added) == (other.name, other.base, other.added)
        assert [(g.tags, g.fields, g.numbers, g.values()) for g in one.groups] == [
            (g.tags, g.fields, g.numbers, g.values()) for g in other.groups
        ]
