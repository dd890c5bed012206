import pyarrow as pa
import pytest

from engine.errors import InvalidRequest
from engine.lineprotocol import groups
from engine.lineprotocol.body import FEWEST_COLUMNAR_LINES, parse_body, parse_lines
from engine.lineprotocol.groups import RejectedLine
from engine.model.precision import Precision
from tests.support.line_protocol import plain

NOW_NS = 1_234_567_890_123_456_789


def parse(body, precision=Precision.NANOSECOND):
    return parse_body(body.encode(), precision, NOW_NS)


def times(parsed):
    return [time for group in parsed.groups for time in group.columns.time.cast(pa.int64()).to_pylist()]


def test_a_bad_line_is_rejected_with_number_and_reason_fact_36():
    parsed = parse("cpu,host=b val=2 155\ncpu,host=a val= 123\ncpu,host=b val=5 199")
    assert parsed.rejected == [RejectedLine(2, "No fields were provided", "cpu,host=a val= 123")]
    assert times(parsed) == [155, 199]
    assert parsed.groups[0].numbers == [1, 3]
    assert parsed.line_count == 3


def test_the_first_line_can_be_the_bad_one_fact_37():
    parsed = parse("cpu,host=a val= 123\ncpu,host=b val=5 199")
    assert parsed.rejected == [RejectedLine(1, "No fields were provided", "cpu,host=a val= 123")]


@pytest.mark.parametrize("body", ["", "# only a comment", "\n \n\t\n# x\n", "\n" * FEWEST_COLUMNAR_LINES])
def test_nothing_to_write_counts_no_line_facts_28_29(body):
    parsed = parse(body)
    assert (parsed.groups, parsed.rejected, parsed.line_count) == ([], [], 0)


@pytest.mark.parametrize("lines", [1, 2 * FEWEST_COLUMNAR_LINES])
@pytest.mark.parametrize(
    ("precision", "time", "stored"),
    [
        (Precision.AUTO, "4999999999", 4_999_999_999_000_000_000),
        (Precision.AUTO, "5000000000", 5_000_000_000_000_000),
        (Precision.AUTO, "1708976567000000", 1_708_976_567_000_000_000),
        (Precision.AUTO, "1708976567000000000", 1_708_976_567_000_000_000),
        (Precision.AUTO, "", NOW_NS),
        (Precision.NANOSECOND, "5", 5),
        (Precision.MICROSECOND, "-5", -5_000),
        (Precision.MILLISECOND, "5", 5_000_000),
        (Precision.SECOND, "5", 5_000_000_000),
        (Precision.SECOND, "", 1_234_567_890_000_000_000),
        (Precision.MILLISECOND, "", 1_234_567_890_123_000_000),
    ],
)
def test_times_are_nanoseconds_fact_48(lines, precision, time, stored):
    assert times(parse("\n".join([f"m f=1 {time}".rstrip()] * lines), precision)) == [stored] * lines


def test_timestamp_out_of_range_is_a_rejected_line_fact_49():
    (rejected,) = parse("m f=1 9223372037", Precision.SECOND).rejected
    assert rejected.message == "timestamp, 9223372037, out of range for precision: Second"


def test_names_that_are_reserved_pass_here():
    parsed = parse("t,__chunk_order=a time=1,t=2")
    assert parsed.rejected == []
    assert [key for key, _ in parsed.groups[0].fields] == ["time", "t"]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        pytest.param(b"m f=1\xff", "invalid utf-8 sequence of 1 bytes from index 5", id="stray-byte"),
        pytest.param(b"m\xe2\x28 f=1", "invalid utf-8 sequence of 1 bytes from index 1", id="broken-character"),
        pytest.param(b"m f=1\xc3", "incomplete utf-8 byte sequence from index 5", id="cut-character"),
    ],
)
def test_a_body_that_is_not_utf8_is_refused(body, cause):
    with pytest.raises(InvalidRequest) as refused:
        parse_body(body, Precision.AUTO, NOW_NS)
    assert str(refused.value) == f"body content is not valid utf8: {cause}"


@pytest.mark.parametrize("lines", [FEWEST_COLUMNAR_LINES - 1, FEWEST_COLUMNAR_LINES, FEWEST_COLUMNAR_LINES + 1])
def test_the_size_of_a_body_makes_no_difference(lines):
    body = "\n".join(f"m,t=a{n % 3} f={n}.5,i={n}i {n}" for n in range(lines)) + "\nbad"
    assert plain(parse(body)) == plain(parse_lines(body, Precision.NANOSECOND, NOW_NS))


def test_original_line_is_there_for_every_number():
    parsed = parse("# x\nm f=1 12345678901234567\n\nm f=\n m f=2")
    assert [parsed.original_line(number) for number in (1, 2, 3)] == ["m f=1 12345678901234", "m f=", " m f=2"]


@pytest.mark.parametrize("line_count", [52, FEWEST_COLUMNAR_LINES + 52], ids=["line by line", "in columns"])
def test_a_body_that_is_hardly_line_protocol_is_refused_whole(monkeypatch, line_count):
    monkeypatch.setattr(groups, "MOST_REJECTED", 50)
    lines = ["m f=1"] * line_count
    lines[1:51] = ["x"] * 50
    assert len(parse("\n".join(lines)).rejected) == 50
    lines[51] = "y"
    with pytest.raises(InvalidRequest) as refused:
        parse("\n".join(lines))
    assert str(refused.value) == (
        "nothing was written, for more than 50 lines are no line protocol; "
        "the first is line 2, `x`: Expected at least one space character, got end of input"
    )
