from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.columns.payload import MOST_COMPACT_ROWS, MOST_VALUE_ROWS, Encoding, decode_rows, encode_rows
from engine.lineprotocol.body import parse_body
from engine.model.precision import Precision
from engine.model.schema import TableSchema
from engine.write.ceilings import Ceilings, Room
from engine.write.validator import assemble, encode, plan_write
from tests.support.batches import rows_of, table_schema

KNOWN = table_schema({"host": "tag", "f": "float", "i": "integer", "time": "time"}, name="known")
TYPE = "invalid column type for column '{}', expected iox::column_type::{}, got iox::column_type::{}"


def planned(body: str) -> Any:
    parsed = parse_body(body.encode(), Precision.NANOSECOND, 5)
    return plan_write(parsed, {"known": KNOWN}.get)


@pytest.mark.parametrize(
    ("body", "rejected"),
    [
        pytest.param("known f=1", [], id="fits"),
        pytest.param("known f=1i", [(1, TYPE.format("f", "field::float", "field::integer"))], id="no widening"),
        pytest.param("known i=1u", [(1, TYPE.format("i", "field::integer", "field::uinteger"))], id="fact 39"),
        pytest.param("known host=1", [(1, TYPE.format("host", "tag", "field::float"))], id="fact 42"),
        pytest.param("known,f=x i=1i", [(1, TYPE.format("f", "field::float", "tag"))], id="a field as a tag"),
        pytest.param(
            "known time=1", [(1, TYPE.format("time", "timestamp", "field::float"))], id="time of a known table"
        ),
        pytest.param("t time=1", [(1, "'time' is a reserved column")], id="fact 41"),
        pytest.param("t,time=x f=1", [(1, "'time' is a reserved column")], id="time as a tag"),
        pytest.param("t __chunk_order=1", [(1, "'__chunk_order' is a reserved column")], id="the product's own column"),
        pytest.param(
            'home,room=S temp=96 1\nhome,room=S temp="hi" 2',
            [(2, TYPE.format("temp", "field::float", "field::string"))],
            id="fact 38: the first line of a new table decides",
        ),
        pytest.param("t,a=1 a=2", [(1, TYPE.format("a", "tag", "field::float"))], id="tag and field of one name"),
        pytest.param("t f=1\nbad\nt f=2", [(2, "*")], id="what does not parse keeps its number"),
    ],
)
def test_lines_that_do_not_fit_are_rejected_with_their_number(body: str, rejected: list[tuple[int, str]]) -> None:
    found = [(line.line_number, line.message) for line in planned(body).rejected]
    assert [n for n, _ in found] == [n for n, _ in rejected]
    assert all(text in ("*", message) for (_, text), (_, message) in zip(rejected, found, strict=True))


@pytest.mark.parametrize(
    ("body", "added"),
    [
        pytest.param("known f=1", [], id="nothing new"),
        pytest.param('known,region=x s="t"', ["region", "s"], id="columns join a table at any time"),
        pytest.param(
            "new,region=r,host=h usage=1", ["region", "host", "usage", "time"], id="order of first appearance"
        ),
        pytest.param("new f=1\nnew,t=x f=1", ["f", "time", "t"], id="later columns stand behind the time"),
        pytest.param("known f=1i,late=1", [], id="a rejected line adds nothing"),
    ],
)
def test_a_write_adds_the_columns_of_its_accepted_lines(body: str, added: list[str]) -> None:
    assert [c.name for table in planned(body).tables for c in table.added] == added


line = st.tuples(
    st.sampled_from(["a", "b"]), st.sampled_from(["", ",t=x", ",u=y"]), st.sampled_from(["f=1", "g=2", "f=1,g=2"])
)


@given(st.lists(line, min_size=1, max_size=12))
def test_rows_keep_the_order_of_their_lines(lines: list[tuple[str, str, str]]) -> None:
    body = "\n".join(f"{table}{tags} {fields} {n}" for n, (table, tags, fields) in enumerate(lines))
    for table in planned(body).tables:
        schema = TableSchema(1, 1, table.name, ()).with_columns(table.added)
        times = [r["time"] for r in rows_of(assemble(table.groups, schema))]
        assert times == [n for n, (name, _, _) in enumerate(lines) if name == table.name]


FIELDS = ["f=1.5", "f=1e999", "i=-9223372036854775808i", "u=18446744073709551615u", 's="ä\\"\n"', "b=t", "f=-0,b=F"]


@given(
    st.lists(st.tuples(st.sampled_from(["", ",t=x", ",w=ö"]), st.sampled_from(FIELDS)), min_size=1, max_size=140),
    st.randoms(),
)
def test_a_few_rows_go_into_the_log_as_their_columns_would(lines: list[tuple[str, str]], choose: Any) -> None:
    body = "\n".join(f"known{tags} {fields} {choose.choice([1, 2**62, -5])}" for tags, fields in lines)
    tables = planned(body).tables
    assume(tables)  # each line may be one that is refused
    (table,) = tables
    schema = KNOWN.with_columns(table.added)
    encoding, data = encode(table, schema)
    assert (encoding is Encoding.COMPACT) == (table.row_count <= MOST_VALUE_ROWS)
    batch = assemble(table.groups, schema)
    assert rows_of(decode_rows(encoding, data, schema)) == rows_of(batch)
    if table.row_count <= MOST_COMPACT_ROWS:
        assert (encoding, data) == encode_rows(batch)


COLUMN = st.tuples(st.sampled_from("xyz"), st.sampled_from(["tag", "1", "1i", '"s"', "t"]))
TYPED = {"1": "float", "1i": "integer", '"s"': "string", "t": "boolean"}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(COLUMN, min_size=1, max_size=3)), min_size=1, max_size=15),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_lines_are_judged_as_if_one_came_after_the_other(
    lines: list[tuple[str, list[tuple[str, str]]]], most_tables: int, most_columns: int
) -> None:
    known: dict[str, dict[str, str]] = {}
    body, good = [], []
    for number, (table, columns) in enumerate(lines, start=1):
        named = {name: TYPED.get(value, value) for name, value in columns}
        fields = [f"{name}={value}" for name, value in columns if value != "tag"] or ["f=1"]
        named |= {} if fields != ["f=1"] else {"f": "float"}
        tags = "".join(f",{name}=v" for name, value in columns if value == "tag")
        body.append(f"{table}{tags} {','.join(fields)}")
        merged = known.get(table, {}) | named
        fits = len(merged) <= most_columns and (table in known or len(known) < most_tables)
        agrees = all(known.get(table, named).get(name, kind) == kind for name, kind in named.items())
        if fits and agrees and len({name for name, _ in columns}) == len(columns):
            known[table] = merged
            good.append(number)
    parsed = parse_body("\n".join(body).encode(), Precision.NANOSECOND, 5)
    plan = plan_write(parsed, {}.get, room=Room(Ceilings(None, most_tables, most_columns), int))
    assert sorted(n for table in plan.tables for group in table.groups for n in group.numbers) == good
    added = {
        table.name: {c.name: c.type.name.lower() for c in table.added if c.name != "time"} for table in plan.tables
    }
    assert added == known
