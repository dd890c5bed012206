import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lineprotocol.body import parse_lines
from engine.lineprotocol.columnar import parse_columns
from engine.lineprotocol.fitting import ShapedRows
from engine.model.precision import Precision
from tests.support.line_protocol import plain, random_body

NOW_NS = 1_234_567_890_123_456_789


def columns(body, precision=Precision.NANOSECOND, **options):
    return parse_columns(body.encode(), precision, NOW_NS, **options)


def assert_equal_both_ways(body, precision, **options):
    assert plain(columns(body, precision, **options)) == plain(parse_lines(body, precision, NOW_NS))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(Precision))
def test_both_ways_read_a_body_alike(seed, precision):
    assert_equal_both_ways(random_body(random.Random(seed), 20), precision, fewest_tokens=1)


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_both_ways_read_many_bodies_alike(block):
    for seed in range(block * 1_000, (block + 1) * 1_000):
        choose = random.Random(seed)
        body, precision = random_body(choose, choose.choice([5, 20, 60])), choose.choice(list(Precision))
        assert_equal_both_ways(body, precision, fewest_tokens=choose.choice([1, 1, 50]))


def test_five_tables_interleaved_become_five_groups():
    lines = [
        line.format(n=n, t=1_700_000_000_000_000_000 + n)
        for n in range(200)
        for line in (
            "cpu,host=h{n} usage=1.5,idle={n}.25 {t}",
            "mem,host=h used={n}i,free=7u {t}",
            'log,host=h,level=info message="line {n}, with \\"quotes\\"",code={n}i {t}',
            "disk,host=h,path=/var ro=f {t}",
            "temp c={n}",
        )
    ]
    parsed = columns("\n".join(lines))
    assert [group.table for group in parsed.groups] == ["cpu", "mem", "log", "disk", "temp"]
    assert [group.numbers for group in parsed.groups] == [list(range(n, 1001, 5)) for n in range(1, 6)]
    assert plain(parsed) == plain(parse_lines("\n".join(lines), Precision.NANOSECOND, NOW_NS))


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param("m,t=a f=1i,g=2 5", id="integer-among-floats"),
        pytest.param("m,t=a f=1,g=2i 5", id="float-among-integers"),
        pytest.param("m,t=a f=.5,g=2 5", id="no-number"),
        pytest.param("m,t=a f=1_000,g=2 5", id="no-number-for-arrow-either"),
        pytest.param("m,t=a f=1.5.5,g=2 9223372036854775808", id="two-faults"),
        pytest.param("m,t=a g=1,f=2 5", id="other-order"),
        pytest.param(r"m,t=a\ b f=1,g=2 5", id="escape"),
        pytest.param("m,t=a  f=1,g=2 5", id="two-blanks"),
        pytest.param("m,t=a f=1,g=2  5", id="two-blanks-before-the-timestamp"),
        pytest.param("m,t=a f=1,g=2", id="no-timestamp"),
        pytest.param("m,t=a f=1,g=2 5\r", id="carriage-return"),
        pytest.param("  m,t=a f=1,g=2 5", id="blanks-before"),
        pytest.param('m,t="a f=1,g=2 5', id="quote-in-a-tag"),
        pytest.param('m,t=a f="x\ny",g=2 5', id="string-over-two-lines"),
        pytest.param("# comment", id="comment"),
        pytest.param("m,t=a,t=b f=1,g=2 5", id="tag-twice"),
        pytest.param("m,t=a f=1,f=2 5", id="field-twice"),
        pytest.param("m", id="nearly-nothing"),
    ],
)
@pytest.mark.parametrize("place", [0, 70, 149])
def test_one_odd_line_does_not_spoil_the_others(odd, place):
    lines = [f"m,t=a{n % 7} f={n},g={n}.5 {n}" for n in range(150)]
    lines[place] = odd
    parsed = columns("\n".join(lines))
    assert max(group.row_count for group in parsed.groups) >= 149
    assert_equal_both_ways("\n".join(lines), Precision.NANOSECOND)


def test_timestamps_that_leave_64_bits_are_refused_one_by_one():
    times = [5] * 200
    times[17] = times[99] = 9_223_372_037
    parsed = columns("\n".join(f"m f={n} {time}" for n, time in enumerate(times)), Precision.SECOND)
    assert [line.line_number for line in parsed.rejected] == [18, 100]
    assert parsed.rejected[0].message == "timestamp, 9223372037, out of range for precision: Second"
    assert parsed.groups[0].row_count == 198


def test_a_long_string_is_refused_and_its_neighbours_are_kept():
    body = "\n".join([*["m f=1"] * 200, f'm s="{"x" * (2**20 + 1)}"', *["m f=1"] * 200])
    parsed = columns(body)
    assert [(line.line_number, line.message) for line in parsed.rejected] == [(201, "String is greater than 1MB")]
    assert parsed.groups[0].row_count == 400


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("m,t=a f=1 5\r", id="every-line-ends-with-crlf"),
        pytest.param("m f=1_000", id="arrow-converts-none"),
        pytest.param("x", id="no-line-has-fields"),
        pytest.param("m,t==a f=1", id="equals-sign-in-each-tag"),
    ],
)
def test_a_body_of_odd_lines_alone_is_read(line):
    assert_equal_both_ways("\n".join([line] * 150), Precision.AUTO)


def test_many_shapes_with_few_lines_each_are_read():
    lines = [f"m,t=a f{n % 40}=1,g{n % 3}=2i {n}" for n in range(400)]
    assert_equal_both_ways("\n".join(lines), Precision.NANOSECOND)


def lines_of_tables(tables, lines=2_000):
    return [f'm{n % tables},t=a{n % 7},u=b f={n},g={n}i,s="{n} x",b={"tf"[n % 2]} {n}' for n in range(lines)]


def test_lines_of_many_tables_are_compared_once(monkeypatch):
    compared = counted_comparisons(monkeypatch)
    body = "\n".join(lines_of_tables(100))
    parsed = columns(body)
    assert [(group.table, group.numbers[:2]) for group in parsed.groups[:2]] == [("m0", [1, 101]), ("m1", [2, 102])]
    assert len(parsed.groups) == 100
    assert sum(compared) <= 1.1 * 2_000
    assert_equal_both_ways(body, Precision.NANOSECOND)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(',t=a,u=b f=1,g=2i,s="",b=t 5', id="no-table"),
        pytest.param('m,t=a,u=b f=1,g=2,s="",b=t 5', id="other-type"),
        pytest.param('m,t=,u=b f=1,g=2i,s="",b=t 5', id="no-tag-value"),
        pytest.param('m"x,t=a,u=b f=1,g=2i,s="",b=t 5', id="quote-in-the-table"),
        pytest.param('"m",t=a,u=b f=1,g=2i,s="",b=t 5', id="table-in-quotes"),
        pytest.param('m=x,t=a,u=b f=1,g=2i,s="",b=t 5', id="equals-sign-in-the-table"),
        pytest.param(r'm\ x,t=a,u=b f=1,g=2i,s="",b=t 5', id="escape-in-the-table"),
        pytest.param('ü€,t=a,u=b f=1,g=2i,s="",b=t 5', id="another-script"),
        pytest.param('m,t=a,u=b f=1,g=2i,s="",b=t 9223372037', id="time-out-of-range"),
        pytest.param('m,t=a,v=b f=1,g=2i,s="",b=t 5', id="other-tag"),
        pytest.param('m,t=a,u=b f=1,h=2i,s="",b=t 5', id="other-field"),
    ],
)
@pytest.mark.parametrize("place", [0, 5, 1_000])
def test_one_odd_line_does_not_spoil_those_of_many_tables(odd, place):
    lines = lines_of_tables(100)
    lines[place] = odd
    assert_equal_both_ways("\n".join(lines), Precision.SECOND)


def test_tables_that_begin_alike_are_read_together(monkeypatch):
    compared = counted_comparisons(monkeypatch)
    body = "\n".join(f"a_long_name_{n % 100:03} f={n} {n}" for n in range(4_000))
    assert len(columns(body).groups) == 100
    assert sum(compared) <= 2.1 * 4_000
    assert_equal_both_ways(body, Precision.NANOSECOND)


def counted_comparisons(monkeypatch):
    compared = []
    fits = ShapedRows.fits

    def counting(shaped):
        flags = fits(shaped)
        compared.append(len(flags))
        return flags

    monkeypatch.setattr(ShapedRows, "fits", counting)
    return compared


def test_a_thousand_shapes_that_begin_alike_take_as_long_as_one(monkeypatch):
    compared = counted_comparisons(monkeypatch)
    body = "\n".join(f"m f{n % 1000:04}=1 {n}" for n in range(20_000))
    parsed = columns(body, fewest_tokens=60)
    assert len(parsed.groups) == 1000
    assert sum(compared) <= 2 * 20_000
    assert_equal_both_ways(body, Precision.NANOSECOND, fewest_tokens=60)


def test_types_that_change_from_line_to_line_are_told_apart_by_their_looks():
    kinds = ["1", "1i", "1u", '"1"', "t", "FALSE", "x"]
    lines = [f"m,tag=a{n % 3} f={kinds[n % 7]},g={kinds[n // 7 % 7]} {n}" for n in range(7_000)]
    parsed = columns("\n".join(lines), fewest_tokens=60)
    assert len(parsed.groups) == 25
    assert_equal_both_ways("\n".join(lines), Precision.NANOSECOND, fewest_tokens=60)


def test_original_lines_are_found_by_number():
    parsed = columns('a f=1\n# no\n\n  b f=1\nc s="x\ny" 5\nd f=1_0')
    assert [parsed.original_line(number) for number in range(1, 5)] == ["a f=1", "  b f=1", 'c s="x\ny" 5', "d f=1_0"]
    assert [line.original_line for line in parsed.rejected] == ["d f=1_0"]
